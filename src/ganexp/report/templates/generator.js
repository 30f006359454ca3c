"use strict";
// The first setting's generator, run by the browser: linear layers, whose weights are in the data block.

const SHOWN = [4, 2]; // images across and down
const erf = (x) => { // Abramowitz and Stegun 1964, 7.1.26: within 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  return Math.sign(x) * (1 - t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x));
};
const ACTIVATIONS = {
  relu: (x) => Math.max(0, x), leaky_relu: (x, leak) => (x < 0 ? leak * x : x), elu: (x) => (x < 0 ? Math.expm1(x) : x),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)), silu: (x) => x / (1 + Math.exp(-x)), tanh: Math.tanh,
};
const ENDS = {tanh: (x, scale) => scale * Math.tanh(x), sigmoid: (x) => 2 / (1 + Math.exp(-x)) - 1};
const bytesIn = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floatsIn = (text) => new Float32Array(bytesIn(text).buffer);

function unpacked({high, low, scale, bias}) {
  const [first, second, sizes, bases] = [new Int8Array(bytesIn(high).buffer), new Int8Array(bytesIn(low).buffer), floatsIn(scale), floatsIn(bias)];
  const columns = first.length / sizes.length;
  return {bases, columns, weights: Float32Array.from(first, (w, i) => sizes[Math.floor(i / columns)] * (second.length ? w + second[i] / 254 : w))};
}

// z (latent_dim numbers) and the number of a class -> grey values 0 to 255, in the order channel, row, column.
function pixelsOf(generator, z, label) {
  const {classes, activation, leak, end, output_scale} = generator, active = ACTIVATIONS[activation], last = ENDS[end];
  generator.nets ??= generator.layers.map(unpacked);
  let x = [...z, ...(classes ?? []).map((_, i) => (i === label ? Math.sqrt(classes.length) : 0))];
  for (const [n, {weights, columns, bases}] of generator.nets.entries()) {
    x = bases.map((sum, row) => {
      for (let i = 0, at = row * columns; i < columns; i++, at++) sum += weights[at] * x[i];
      return n < generator.nets.length - 1 ? active(sum, leak) : last(sum, output_scale);
    });
  }
  return Uint8ClampedArray.from(x, (value) => (value + 1) * 127.5); // rounds halves to even, as torch does
}

function paint(canvas, generator, zs, label) {
  const [channels, height, width] = generator.shape, size = height * width, context = canvas.getContext("2d");
  zs.forEach((z, n) => {
    const values = pixelsOf(generator, z, label), image = context.createImageData(width, height);
    for (let p = 0; p < size; p++) for (let c = 0; c < 4; c++) image.data[4 * p + c] = c === 3 ? 255 : values[p + size * (c % channels)];
    context.putImageData(image, (n % SHOWN[0]) * (width + 1), Math.floor(n / SHOWN[0]) * (height + 1));
  });
}

function drawnHere(part, generator) {
  const [, height, width] = generator.shape, {latent, latent_dim, directions, classes} = generator;
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const number = () => (latent === "normal" ? normal() : (2 * Math.random() - 1) * Math.sqrt(3));
  const news = () => Array.from({length: SHOWN[0] * SHOWN[1]}, () => Array.from({length: latent_dim}, number));
  let zs = news();
  const canvas = el("canvas", {width: SHOWN[0] * (width + 1) - 1, height: SHOWN[1] * (height + 1) - 1, role: "img", ariaLabel: `images of ${part.settings[0].name}, drawn in this page`});
  const sliders = directions.map((_, i) => el("input", {type: "range", min: -4, max: 4, step: 0.05, value: 0, ariaLabel: `along direction ${i + 1} of z`}));
  const pick = el("select", {ariaLabel: "class"}, ...(classes ?? []).map((name, i) => el("option", {value: i}, name)));
  const draw = () => paint(canvas, generator, zs.map((z) => z.map((v, i) => v + sliders.reduce((sum, s, d) => sum + Number(s.value) * directions[d][i], 0))), Number(pick.value));
  const button = el("button", {type: "button"}, "New z");
  button.addEventListener("click", () => { zs = news(); draw(); });
  for (const each of [...sliders, pick]) each.addEventListener("input", draw);
  pick.hidden = !classes;
  draw();
  return el("figure", {className: "generator"}, el("div", {}, canvas, el("div", {className: "sliders"}, ...sliders, pick, button)),
    el("figcaption", {}, `Drawn in this page by the generator of ${part.settings[0].name}, seed ${generator.seed}, as you move it: the sliders go along the directions of z that its first layer stretches most. Its weights are rounded: of 256 images that were compared, each pixel was within 1 of 255 levels of what ganexp sample draws.`));
}

const drawnFor = new Map(); // digest of weights -> what is shown of them
function generators() {
  const there = data.chapters.filter((part) => data.generators[part.id]);
  const shown = there.map((part) => {
    const generator = data.generators[part.id];
    if (!drawnFor.has(generator.digest)) drawnFor.set(generator.digest, drawnHere(part, generator));
    return drawnFor.get(generator.digest);
  });
  $("#generators")?.replaceChildren(...shown);
}
generators();
