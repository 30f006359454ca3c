"""The words of figures, leaderboard and methods paragraph in English and French, for a paper or a thesis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ganexp.report.settings import Setting, key_names

LANGUAGES = ("en", "fr")

FRENCH = {
    # axes and legends; the words are those of the report that the project grew out of
    "epochs": "époques",
    "epoch": "époque",
    "images seen": "images vues",
    "generator steps": "pas du générateur",
    "training seconds": "secondes d'entraînement",
    "thread a run": "fil d'exécution par entraînement",
    "threads a run": "fils d'exécution par entraînement",
    "discriminator": "discriminateur",
    "generator": "générateur",
    "real, training": "réelles, entraînement",
    "real, held out": "réelles, réservées",
    "generated": "générées",
    "share within 0.4 to 0.6": "part entre 0,4 et 0,6",
    "floor": "plancher",
    "{objective} (lower is better)": "{objective} (plus bas : mieux)",
    "{objective} (higher is better)": "{objective} (plus haut : mieux)",
    "share of the variance, %": "part de la variance, %",
    "importance, %": "importance, %",
    "settings tried": "réglages essayés",
    "expected best {objective}": "meilleur {objective} attendu",
    "best so far: {objective}": "meilleur {objective} jusqu'ici",
    "seed {seed}": "graine {seed}",
    # names of keys and of columns
    "batch size": "taille de lot",
    "lr": "taux d'apprentissage",
    "latent dim": "dimension latente",
    "d steps": "pas du discriminateur",
    "dataset": "jeu de données",
    "model": "modèle",
    "loss": "perte",
    "optim": "optimiseur",
    "penalty": "pénalité",
    "augment": "augmentation",
    "seed": "graine",
    "seeds": "graines",
    "rank": "rang",
    "time a run": "durée d'un essai",
    "95 % interval": "intervalle à 95 %",
    "against the best": "face au meilleur",
    "the best": "le meilleur",
    "first": "premier",
    "worse": "moins bon",
    "not told apart": "non distingué",
    "no claim": "sans conclusion",
    "not ranked": "non classé",
    "{low} to {high}": "{low} à {high}",
    "precision": "précision",
    "recall": "rappel",
    # states of runs, and what the reference images are
    "failed": "en échec",
    "diverged": "divergé",
    "interrupted": "interrompu",
    "pruned": "élagué",
    "pending": "en attente",
    "running": "en cours",
    "stale": "abandonné",
    "test split": "ensemble de test",
    "fixed stratified half of the data": "moitié fixe et stratifiée des données",
    "fixed stratified tenth of the data": "dixième fixe et stratifié des données",
    "fixed tenth of the data": "dixième fixe des données",
    # the paragraph of methods
    "Methods": "Méthodes",
    "Data: {datasets}.": "Données : {datasets}.",
    "{name} ({num} generated images a score, against {reference})": (
        "{name} ({num} images générées par score, face à {reference})"
    ),
    "the {origin}": "la référence « {origin} »",
    "Networks and training: {values}; what varied: {varied}.": (
        "Réseaux et entraînement : {values} ; variables : {varied}."
    ),
    "Each of the {settings} settings was trained with {seeds} seeds.": (
        "Chacun des {settings} réglages a été entraîné avec {seeds} graines."
    ),
    "Settings are ranked by {objective} at the final epoch, chosen on one half of the reference images and "
    "reported on the other; intervals are 95 % intervals for the mean over new seeds, and comparisons hold "
    "family-wise at 5 % over all settings and all looks.": (
        "Les réglages sont classés selon {objective} à la dernière époque, choisis sur une moitié des images de "
        "référence et rapportés sur l'autre ; les intervalles sont à 95 % pour la moyenne sur de nouvelles graines, et "
        "les comparaisons valent au seuil global de 5 % sur tous les réglages et tous les examens."
    ),
    "Nothing was measured.": "Rien n'a été mesuré.",
    "Of {runs} runs, {done} were completed{bad}.": "Sur {runs} essais, {done} sont achevés{bad}.",
    "; the others: {states}, all of them in the tables": " ; les autres : {states}, tous dans les tableaux",
    "Versions: {versions}.": "Versions : {versions}.",
    "Machine: {machine}; {hours} hours of training in all.": (
        "Machine : {machine} ; {hours} heures d'entraînement en tout."
    ),
}
"""English phrase -> French one; both have the same {parts}."""

_language: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Inside, `say` and `decimal` speak this one of LANGUAGES."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def say(phrase: str, **parts: Any) -> str:
    """A phrase of the table, with its parts filled in."""
    text = FRENCH[phrase] if _language.get() == "fr" else phrase
    return text.format(**parts) if parts else text


def named(name: str) -> str:
    """The word for a key or a column; one that has none, such as a metric or a user's own key, as it is."""
    return FRENCH.get(name, name) if _language.get() == "fr" else name


def decimal(number: str) -> str:
    """A number as text, with a decimal comma where the language has one; thousands are then apart by a thin space."""
    return number.replace(",", "\u202f").replace(".", ",") if _language.get() == "fr" else number


def spoken(level: str) -> str:
    """A value of a key, as `decimal` where it is a number."""
    try:
        float(level)
    except ValueError:
        return level
    return decimal(level)


def named_setting(setting: Setting) -> str:
    """A setting for display, in the present language."""
    names = key_names(key for key, _ in setting)
    return ", ".join(f"{named(names[key])} {spoken(value)}" for key, value in setting)
