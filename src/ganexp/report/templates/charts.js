"use strict";
// The charts, by ECharts on canvas. Each shows the settings that are chosen; dragging over one chooses for all.

const charts = new Map(); // element -> its ECharts instance
const CIVIDIS = ["#fee838", "#dccb50", "#bcaf6f", "#9b9476", "#7c7b78", "#61656f", "#414d6b", "#123570", "#00224e"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function chartIn(place) {
  if (!charts.has(place)) {
    charts.set(place, echarts.init(place, null, {renderer: "canvas"}));
    new ResizeObserver(() => charts.get(place)?.resize()).observe(place);
  }
  return charts.get(place);
}

// A logarithmic axis where values span threefold, else a plain one; places are what the chart draws at.
function numericAxis(values, name, log = true) {
  const finite = values.filter((v) => Number.isFinite(v));
  let [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (!finite.length) [low, high] = [0, 1];
  const isLog = log && low > 0 && high / low >= 3;
  const place = (v) => (v === null || v === undefined ? null : isLog ? (v > 0 ? Math.log10(v) : null) : v);
  const back = (v) => (isLog ? 10 ** v : v);
  const axis = {type: "value", name, nameLocation: "middle", nameGap: 28, ...common()};
  if (isLog) {
    const ticks = [], subs = high / low < 1500 ? [1, 2, 5] : [1];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) for (const s of subs) ticks.push(s * 10 ** e);
    const inside = ticks.filter((t) => t >= low / 1.02 && t <= high * 1.02);
    const at = (inside.length > 1 ? inside : [low, high]).map(Math.log10);
    const margin = 0.04 * (Math.log10(high) - Math.log10(low));
    Object.assign(axis, {min: Math.log10(low) - margin, max: Math.log10(high) + margin});
    Object.assign(axis.axisLabel, {customValues: at, formatter: (v) => tick(10 ** v)});
    axis.axisTick = {customValues: at};
    axis.splitLine = {show: false};
  } else {
    axis.scale = true;
    axis.axisLabel.formatter = tick;
  }
  return {axis, place, back};
}

const tick = (v) => (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5) ? v.toExponential(Number(v.toExponential(1).split("e")[0]) % 1 ? 1 : 0) : String(Number(v.toPrecision(4))));
const common = () => ({
  axisLine: {show: true, lineStyle: {color: colour("--muted")}}, nameTextStyle: {color: colour("--ink"), fontSize: 12},
  axisLabel: {color: colour("--ink"), fontSize: 12, hideOverlap: true}, splitLine: {lineStyle: {color: colour("--line")}},
});

// Numbers of more levels than this lie on an axis, other values side by side.
const FEW = 12;
function keyAxis(values, name) {
  const levels = [...new Set(values)];
  if (levels.length > FEW && levels.every((v) => typeof v === "number")) return numericAxis(values, name);
  levels.sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true})));
  const labels = levels.map((v) => (typeof v === "number" ? tick(v) : v.length > 14 ? `${v.slice(0, 13)}…` : v));
  const axis = {type: "category", data: labels, name, nameLocation: "middle", nameGap: 28, ...common()};
  return {axis, place: (v) => levels.indexOf(v), levels};
}

// An axis of a scatter plot: numbers lie on it, of a key with marks at its levels where these are few; words side by side.
function scatterAxis(part, values, name) {
  const levels = [...new Set(values)].sort((a, b) => a - b), isKey = part.names.includes(name);
  if (!levels.every((v) => typeof v === "number")) return keyAxis(values, name);
  const found = numericAxis(values, name);
  if (isKey && levels.length <= FEW) {
    const at = levels.map(found.place);
    Object.assign(found.axis.axisLabel, {customValues: at, formatter: (v) => tick(Number(found.back(v).toPrecision(12)))});
    found.axis.axisTick = {customValues: at};
  }
  return found;
}

const short = (text, most = 22) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const lookOf = (s) => (s.rank === 1 ? colour("--c4") : s.together ? colour("--c0") : colour("--grey"));
const lines = (...texts) => el("div", {className: "tip"}, ...texts.filter(Boolean).map((text) => el("div", {}, text)));
const exact = (name, v) => (v === null || v === undefined ? "" : `${name} ${readable(v)} (${v})`);
const tipOf = (part, s) => lines(`${s.rank ? `${s.rank}. ` : "not ranked: "}${s.name}`, exact(part.objective, s.value), s.low === null ? "" : `95 % interval ${readable(s.low)} to ${readable(s.high)}`, s.word ?? "", s.why);

const base = () => ({
  animation: false, textStyle: {color: colour("--ink"), fontFamily: "system-ui, sans-serif"}, aria: {enabled: true},
  tooltip: {confine: true, backgroundColor: colour("--card"), borderColor: colour("--line"), textStyle: {color: colour("--ink"), fontSize: 13}},
});
const zooms = (...axes) => axes.map((axis) => ({type: "inside", [`${axis}AxisIndex`]: 0, zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false, preventDefaultMouseMove: false, filterMode: "none"}));
const boxBrush = () => ({brush: {xAxisIndex: 0, yAxisIndex: 0, brushMode: "single", throttleType: "debounce", throttleDelay: 60, outOfBrush: {colorAlpha: 1}}});
const boxCursor = (chart) => chart.dispatchAction({type: "takeGlobalCursor", key: "brush", brushOption: {brushType: "rect", brushMode: "single"}});

function onBox(chart, name, find) {
  chart.off("brushEnd");
  chart.on("brushEnd", ({areas}) => {
    const box = areas[0]?.coordRange;
    const small = areas[0] && areas[0].range.some(([a, b]) => Math.abs(b - a) < 4); // a click is no box
    if (small) chart.dispatchAction({type: "brush", areas: []});
    brush(name, box && !small ? find(([x, y]) => x >= box[0][0] && x <= box[0][1] && y >= box[1][0] && y <= box[1][1]) : null);
  });
}

// --- parallel coordinates

function drawParallel(kept) {
  const part = chapter(), figure = $("#chart-parallel"), ranked = part.settings.map((s, i) => [s, i]).filter(([s]) => s.value !== null);
  const keys = part.keys.map((_, k) => k).filter((k) => new Set(ranked.map(([s]) => s.values[k])).size > 1);
  figure.hidden = !ranked.length || !keys.length;
  if (figure.hidden) return;
  const chart = chartIn($(".chart", figure)), axes = keys.map((k) => keyAxis(ranked.map(([s]) => s.values[k]), short(part.names[k], 16)));
  axes.push(numericAxis(ranked.map(([s]) => s.value), part.objective));
  const rows = ranked.filter(([, i]) => kept.has(i) || state.brushes.has("parallel")).sort(([a], [b]) => b.rank - a.rank);
  const places = ([s, i]) => ({
    value: axes.map((axis, a) => axis.place(a < keys.length ? s.values[keys[a]] : s.value)), setting: i,
    lineStyle: {color: lookOf(s), width: s.rank === 1 ? 3.5 : 1.3, opacity: kept.has(i) ? (s.rank === 1 ? 1 : 0.7) : 0.06},
  });
  chart.setOption({
    ...base(),
    parallel: {left: 40, right: 60, top: 34, bottom: 20, axisExpandable: false},
    parallelAxis: axes.map(({axis}, dim) => ({...axis, dim, nameLocation: "end", nameGap: 12, z: 20, axisLabel: {...axis.axisLabel, textBorderColor: colour("--bg"), textBorderWidth: 3}, areaSelectStyle: {width: 16, color: colour("--c0"), opacity: 0.25}})),
    series: [{type: "parallel", smooth: false, realtime: false, inactiveOpacity: 0.06, activeOpacity: 0.8, data: rows.map(places), lineStyle: {width: 1.3}, progressive: 0,
      tooltip: {formatter: ({data: d}) => tipOf(part, part.settings[d.setting])}}],
  }, {replaceMerge: state.brushes.has("parallel") ? [] : ["parallelAxis"]});
  chart.off("axisareaselected");
  chart.on("axisareaselected", () => {
    const series = chart.getModel().getSeriesByIndex(0), active = series.getRawIndicesByActiveState("active");
    const shown = chart.getOption().series[0].data;
    const limited = chart.getOption().parallelAxis.some((axis) => (chart.getModel().getComponent("parallelAxis", axis.dim).activeIntervals ?? []).length);
    brush("parallel", limited ? new Set(active.map((row) => shown[row].setting)) : null);
  });
  chart.off("click");
  chart.on("click", ({data: d}) => d && openSetting(state.chapter, d.setting));
}

// --- scatter of any two numbers

const numbersOf = (part) => {
  const names = new Map();
  part.keys.forEach((_, k) => names.set(part.names[k], (s) => s.values[k]));
  if (part.objective) names.set(part.objective, (s) => s.value);
  part.metrics.forEach((name, m) => names.set(name, (s) => s.metrics[m]));
  names.set("training seconds", (s) => s.seconds);
  names.set("order asked", (s) => Math.min(...s.runs.map((id) => runOf(id)?.number ?? 0)) + 1);
  return names;
};

function choices(select, names, preferred) {
  const chosen = names.includes(select.value) ? select.value : preferred;
  if (select.options.length !== names.length || [...select.options].some((o, i) => o.value !== names[i]))
    select.replaceChildren(...names.map((name) => el("option", {value: name}, name)));
  select.value = names.includes(chosen) ? chosen : names[0];
  return select.value;
}

function drawScatter(kept) {
  const part = chapter(), figure = $("#chart-scatter"), names = numbersOf(part), all_ = [...names.keys()];
  const most = part.names.map((name, k) => [new Set(part.settings.map((s) => s.values[k])).size, name]).sort(([a], [b]) => b - a)[0]?.[1];
  const x = choices($(".x", figure), all_, most ?? "order asked"), y = choices($(".y", figure), all_, part.objective ?? "training seconds");
  const get = [names.get(x), names.get(y)], usable = part.settings.map((s, i) => [s, i]).filter(([s]) => get.every((g) => g(s) !== null && g(s) !== undefined));
  const seeds = y === part.objective ? usable.flatMap(([s, i]) => s.runs.map((id) => [runOf(id), s, i]).filter(([run]) => run && run.value !== null)) : [];
  const across = scatterAxis(part, usable.map(([s]) => get[0](s)), x), up = y === part.objective ? numericAxis([...usable.map(([s]) => s.value), ...seeds.map(([run]) => run.value)], y) : scatterAxis(part, usable.map(([s]) => get[1](s)), y);
  const xOf = (s) => across.place(get[0](s));
  const chart = chartIn($(".chart", figure)), grid = {left: 62, right: 18, top: 14, bottom: 44};
  const shape = (s, i) => ({color: lookOf(s), opacity: kept.has(i) ? 0.95 : 0.08, borderColor: colour("--bg"), borderWidth: 0.5});
  const points = usable.map(([s, i]) => ({value: [xOf(s), up.place(get[1](s))], setting: i, symbol: s.rank === 1 ? "diamond" : "circle", symbolSize: s.rank === 1 ? 15 : 8, itemStyle: shape(s, i)}));
  chart.setOption({
    ...base(), ...boxBrush(), grid, dataZoom: zooms("x", "y"), xAxis: across.axis, yAxis: {...up.axis, nameGap: 46},
    series: [
      {type: "scatter", id: "seeds", symbolSize: 4, silent: seeds.length > 3000, data: seeds.map(([run, s, i]) => ({value: [xOf(s), up.place(run.value)], setting: i, run: run.id, itemStyle: {color: lookOf(s), opacity: kept.has(i) ? 0.4 : 0.04}})),
        tooltip: {formatter: ({data: d}) => lines(describe(runOf(d.run)), `epoch ${runOf(d.run).epoch}`, exact(part.objective, runOf(d.run).value))}},
      {type: "scatter", id: "settings", data: points, tooltip: {formatter: ({data: d}) => tipOf(part, part.settings[d.setting])}},
    ],
  }, {replaceMerge: ["series", "xAxis", "yAxis"]});
  boxCursor(chart);
  onBox(chart, "scatter", (inside) => new Set(points.filter((p) => inside(p.value)).map((p) => p.setting)));
  chart.off("click");
  chart.on("click", ({data: d}, event) => (d?.run ? openRun(d.run) : d && openSetting(state.chapter, d.setting)));
}

// --- learning curves

const MOST_MARKS = 20000; // points to hover over, beside those of the first six lines

function drawCurves(kept) {
  const part = chapter(), figure = $("#chart-curves"), trainings = part.trainings.filter((t) => t.mean.value || t.seeds.some((c) => c.value));
  figure.hidden = !trainings.length;
  if (figure.hidden) return;
  const x = $(".x", figure).value, curves = trainings.flatMap((t) => [t.mean, ...t.seeds]);
  const across = numericAxis(curves.flatMap((c) => (c[x] ?? []).filter((_, i) => !c.value || c.value[i] !== null)), {epoch: "epochs", step: "generator steps", images: "images seen", seconds: "training seconds"}[x]);
  const up = numericAxis(curves.flatMap((c) => c.value ?? []).filter((v) => v !== null), part.objective);
  const chart = chartIn($(".chart", figure)), series = [], best = (t) => Math.min(...t.settings.map((i) => part.settings[i].rank ?? Infinity));
  const shown = trainings.filter((t) => t.settings.some((i) => kept.has(i)) || state.brushes.has("curves")).sort((a, b) => best(b) - best(a));
  const others = []; // points of all lines but the first six, in few series: hundreds would take long to draw
  const top = [...shown].reverse().slice(0, 6), palette = ["--c4", "--c0", "--c2", "--c1", "--c3", "--c5"];
  const tipOfMean = (of) => ({formatter: ({data: p, t = shown[of ?? p.training]}) => lines(t.name, `mean of the seeds, epoch ${t.mean.epoch[p.at]}`, exact(part.objective, t.mean.value[p.at]))});
  for (const [training, t] of shown.entries()) { // the number: ECharts copies whatever it is given
    const at = top.indexOf(t), ink = at < 0 ? colour("--grey") : colour(palette[at]), on = t.settings.some((i) => kept.has(i));
    const points = (c) => (c[x] ?? []).map((v, i) => ({value: [across.place(v), up.place(c.value?.[i])], at: i})).filter((p) => p.value[0] !== null && p.value[1] !== null);
    const opacity = on ? (at < 0 ? 0.45 : 1) : 0.05;
    for (const c of t.seeds) series.push({type: "line", data: points(c), symbol: "circle", symbolSize: 3, lineStyle: {width: 0.7, color: ink, opacity: 0.5 * opacity}, itemStyle: {color: ink, opacity: 0.5 * opacity}, run: c.run,
      tooltip: {formatter: ({data: p}) => lines(`${t.name}, seed ${c.seed}`, `epoch ${c.epoch[p.at]}`, exact(part.objective, c.value[p.at]))}, training});
    if (!t.mean.value) continue;
    if (at < 0) {
      others.push(...points(t.mean).map((p) => ({...p, training, on})), {value: [null, null], on});
      continue;
    }
    if (t.mean.low) {
      const side = (name) => t.mean[x].map((v, i) => [across.place(v), up.place(t.mean[name][i])]);
      const [low, high] = [side("low"), side("high")];
      if (low.every(([, v]) => v !== null)) {
        const hidden = {type: "line", symbol: "none", silent: true, lineStyle: {opacity: 0}, stack: `band${at}`, stackStrategy: "all"};
        series.push({...hidden, data: low}, {...hidden, data: high.map(([v, h], i) => [v, h - low[i][1]]), areaStyle: {color: ink, opacity: on ? 0.16 : 0.02}});
      }
    }
    series.push({type: "line", data: points(t.mean), symbol: "circle", sampling: "lttb", symbolSize: 6, lineStyle: {width: 2.4, type: ["solid", "dashed", "dotted"][at % 3], color: ink, opacity}, itemStyle: {color: ink, opacity}, training, mean: true,
      tooltip: tipOfMean(training)});
  }
  for (const on of [true, false]) {
    const data = others.filter((p) => p.on === on), look = {color: colour("--grey"), opacity: on ? 0.45 : 0.05};
    series.unshift({type: "line", data, symbol: "none", silent: true, z: 1, lineStyle: {width: 1, ...look}});
    if (others.length <= MOST_MARKS) series.push({type: "scatter", data: data.filter((p) => p.at !== undefined), symbolSize: 3, z: 1, itemStyle: look, tooltip: tipOfMean()});
  }
  chart.setOption({...base(), ...boxBrush(), grid: {left: 62, right: 18, top: 14, bottom: 44}, dataZoom: zooms("x", "y"), xAxis: across.axis, yAxis: {...up.axis, nameGap: 46}, series}, {replaceMerge: ["series", "xAxis", "yAxis"]});
  boxCursor(chart);
  onBox(chart, "curves", (inside) => {
    const marked = series.filter((s) => s.mean).flatMap((s) => s.data.map((p) => ({...p, training: s.training})));
    return new Set([...marked, ...others].filter((p) => p.at !== undefined && inside(p.value)).flatMap((p) => shown[p.training].settings));
  });
  chart.off("click");
  chart.on("click", ({seriesIndex, data: p}) => {
    const {run, training = p?.training} = series[seriesIndex];
    if (run) openRun(run);
    else if (training !== undefined) openSetting(state.chapter, shown[training].settings.reduce((a, b) => ((part.settings[b].rank ?? Infinity) < (part.settings[a].rank ?? Infinity) ? b : a)));
  });
}

// --- heatmap, budget

function drawHeatmap(kept) {
  const part = chapter(), figure = $("#chart-heatmap"), keys = part.names.filter((_, k) => new Set(part.settings.map((s) => s.values[k])).size > 1);
  figure.hidden = keys.length < 2 || !part.settings.some((s) => s.value !== null);
  if (figure.hidden) return;
  const x = choices($(".x", figure), keys, keys.includes("batch size") ? "batch size" : keys[0]);
  const y = choices($(".y", figure), keys, keys.includes("lr") && x !== "lr" ? "lr" : keys.find((key) => key !== x));
  const at = [part.names.indexOf(x), part.names.indexOf(y)], levels = at.map((k) => [...new Set(part.settings.map((s) => s.values[k]))]);
  for (const each of levels) each.sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true})));
  const cells = new Map(), better = (a, b) => (part.direction === "minimise" ? a < b : a > b);
  part.settings.forEach((s, i) => {
    if (s.value === null || !kept.has(i)) return;
    const key = at.map((k, n) => levels[n].indexOf(s.values[k])).join(), other = cells.get(key);
    if (!other || better(s.value, part.settings[other.setting].value)) cells.set(key, {setting: i, of: (other?.of ?? 0) + 1});
    else other.of += 1;
  });
  const values = part.settings.filter((s) => s.value !== null).map((s) => s.value), {place, back} = numericAxis(values, "");
  const category = (each, name) => ({type: "category", data: each.map((v) => short(typeof v === "number" ? tick(v) : v, 12)), name, nameLocation: "middle", nameGap: 28, ...common()});
  const ends = [Math.min(...values), Math.max(...values)].map(place), few = levels[0].length * levels[1].length <= 150;
  const shade = (value) => { const t = (place(value) - ends[0]) / (ends[1] - ends[0] || 1); return part.direction === "minimise" ? t : 1 - t; };
  const chart = chartIn($(".chart", figure));
  chart.setOption({
    ...base(), grid: {left: 72, right: 66, top: 14, bottom: 44}, xAxis: category(levels[0], x), yAxis: {...category(levels[1], y), nameGap: 56},
    visualMap: {type: "continuous", min: ends[0], max: ends[1] === ends[0] ? ends[0] + 1e-9 : ends[1], right: 0, top: "middle", itemHeight: 120, itemWidth: 12, dimension: 2, calculable: false, formatter: (v) => tick(Number(back(v).toPrecision(3))), text: part.direction === "minimise" ? ["worse", "better"] : ["better", "worse"], textStyle: {color: colour("--ink")}, inRange: {color: part.direction === "minimise" ? CIVIDIS : [...CIVIDIS].reverse()}},
    series: [{type: "heatmap", data: [...cells].map(([key, cell]) => {
      const s = part.settings[cell.setting], first = s.rank === 1;
      return {value: [...key.split(",").map(Number), place(s.value)], setting: cell.setting, of: cell.of, itemStyle: first ? {borderColor: colour("--c1"), borderWidth: 4} : {borderColor: colour("--bg"), borderWidth: 1}, label: {show: few, color: shade(s.value) < 0.5 ? "#111" : "#fff", formatter: () => readable(s.value), fontWeight: first ? "bold" : "normal"}};
    }), tooltip: {formatter: ({data: d}) => { const tip = tipOf(part, part.settings[d.setting]); tip.append(el("div", {}, `the best of ${d.of} in this cell`)); return tip; }}}],
  }, {replaceMerge: ["series", "xAxis", "yAxis"]});
  chart.off("click");
  chart.on("click", ({data: d}) => d && openSetting(state.chapter, d.setting));
}

function drawBudget() {
  const part = chapter(), figure = $("#chart-budget");
  figure.hidden = part.budget.length < 2;
  if (figure.hidden) return;
  const up = numericAxis(part.budget, part.objective), chart = chartIn($(".chart", figure));
  if (chart.budget === part.budget) return; // the choice does not change it
  chart.budget = part.budget;
  chart.setOption({
    ...base(), grid: {left: 62, right: 18, top: 14, bottom: 44}, xAxis: {...numericAxis(part.budget.map((_, i) => i + 1), "settings tried", false).axis, minInterval: 1}, yAxis: {...up.axis, nameGap: 46},
    series: [{type: "line", symbol: "circle", data: part.budget.map((v, i) => [i + 1, up.place(v)]), color: colour("--c0"), tooltip: {formatter: ({dataIndex: i}) => lines(`expected best of ${i + 1}`, exact(part.objective, part.budget[i]))}}],
  });
}

// --- one run: losses, and D against 0.5

const TRACES = {
  losses: [["d_loss", "discriminator", "--c0", "solid"], ["g_loss", "generator", "--c1", "dashed"]],
  balance: [["d_real", "D, real (training)", "--c0", "solid"], ["d_heldout", "D, held out", "--c2", "dashed"], ["d_generated", "D, generated", "--c1", "dotted"], ["d_near_half", "share in 0.4 to 0.6", "--c3", "solid"]],
};

function key(words, ink, type) {
  const node = el("span", {}, words);
  node.style.borderBottom = `3px ${type} ${colour(ink)}`;
  return node;
}

window.drawRun = (about, run) => {
  for (const place of charts.keys()) if (!place.isConnected) { charts.get(place).dispose(); charts.delete(place); }
  const trainings = data.chapters.flatMap((part) => part.trainings.filter((t) => t.settings.some((i) => part.settings[i].runs.includes(run.id))));
  const curve = trainings.flatMap((t) => t.seeds).find((c) => c.seed === run.seed) ?? trainings[0]?.traces;
  for (const [kind, traces] of Object.entries(TRACES)) {
    const place = $(`.${kind}`, about), there = traces.filter(([name]) => curve?.[name]);
    place.hidden = !there.length;
    if (place.hidden) continue;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", there.map(([, words]) => words).join(", "));
    const shown = curve.epoch.filter((epoch) => epoch <= run.epochs).length, half = kind === "balance" ? 0.5 : curve.d_heldout ? Math.log(4) : null;
    chartIn(place).setOption({
      ...base(), tooltip: {...base().tooltip, trigger: "axis", formatter: (points) => lines(`epoch ${points[0].value[0]}`, ...points.map((p) => `${p.seriesName} ${p.value[1]}`))},
      grid: {left: 52, right: 14, top: 32, bottom: 40}, xAxis: {...numericAxis([1], "epochs", false).axis, scale: false, min: 0, max: curve.epoch[shown - 1]}, yAxis: {type: "value", ...common(), ...(kind === "balance" ? {min: 0, max: 1} : {scale: true})},
      series: there.map(([name, words, ink, type], n) => ({type: "line", name: words, symbol: shown < 30 ? "circle" : "none", data: curve.epoch.slice(0, shown).map((epoch, i) => [epoch, curve[name][i]]), color: colour(ink), lineStyle: {type, width: 1.6},
        ...(n === 0 && half !== null ? {markLine: {silent: true, symbol: "none", label: {formatter: kind === "balance" ? "0.5" : "log 4", position: "insideEndTop", color: colour("--muted")}, lineStyle: {color: colour("--muted")}, data: [{yAxis: half}]}} : {}),})),
    }, true);
    const legend = el("p", {className: "legend"}, ...there.map(([, words, ink, type]) => key(words, ink, type)));
    if (place.nextElementSibling?.className !== "legend") place.after(legend);
  }
};

const draws = {parallel: drawParallel, scatter: drawScatter, curves: drawCurves, heatmap: drawHeatmap, budget: drawBudget};
const near = new Set(), stale = new Set(Object.keys(draws)); // near to the screen; to be drawn when they come near

function drawAll(kept = chosen()) {
  if (!data.chapters.length) return;
  for (const [name, draw] of Object.entries(draws)) {
    if (near.has(name) || $(`#chart-${name}`).hidden) draw(kept);
    else stale.add(name);
  }
}

window.drawAll = drawAll;
listeners.push(drawAll);
const watcher = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) {
    const name = target.id.replace("chart-", "");
    if (!isIntersecting) near.delete(name);
    else if (near.add(name) && data.chapters.length && stale.delete(name)) draws[name](chosen());
  }
}, {rootMargin: "300px"});
for (const figure of all(".charts > figure")) {
  watcher.observe(figure);
  for (const select of all("select", figure)) select.addEventListener("change", () => { state.brushes.delete(figure.id.replace("chart-", "")); changed(); });
}
const redraw = () => { for (const chart of charts.values()) chart.dispose(); charts.clear(); drawAll(); for (const side of [0, 1]) showRun(side); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); for (const name of Object.keys(draws)) near.add(name); redraw(); });
addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); redraw(); });
new IntersectionObserver((entries, self) => { if (entries.some((e) => e.isIntersecting)) { self.disconnect(); for (const side of [0, 1]) showRun(side); } }, {rootMargin: "300px"}).observe($("#run") ?? document.body);
