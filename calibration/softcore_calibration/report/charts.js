// Charts: draws the histogram and the curves, on the screen and on paper, and marks the thresholds in them.
// Embedded after outcome.js, whose names it uses.

const root = document.documentElement;
const FEW = 10; // with fewer images the histogram draws each as a stroke
const PAPER = [660, 320]; // CSS pixels of a wide and of a narrow chart on paper
let charts = [];
const printed = matchMedia("print");
const onPaper = () => root.classList.contains("printing") || printed.matches;

function buildCharts() {
  charts.forEach((chart) => chart.destroy());
  charts = ["histogram", "rates", "roc", "precision", "cost"].filter((id) => $(id)).map((id) => drawChart(id, RECIPES[id]()));
}

function drawChart(id, recipe) {
  const large = root.classList.contains("printing") ? 2 : 1; // see report.css
  const wide = $(id).parentElement.classList.contains("wide");
  const colours = palette();
  const font = `${12 * large}px system-ui, sans-serif`;
  const axis = (more) => ({
    stroke: colours.soft, font, gap: 4 * large, labelFont: font, labelSize: 18 * large,
    grid: { stroke: colours.line, width: large }, ticks: { show: false }, ...more,
  });
  const options = {
    ...size(id),
    padding: [8 * large, 20 * large, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false },
    scales: { x: { time: false, range: [0, data.top] }, y: { range: [0, 1] }, ...recipe.scales },
    axes: [
      axis({ space: 50 * large, size: 26 * large, label: translate("score"), values: (_, values) => values.map(number), ...recipe.across }),
      axis({ space: 30 * large, size: 56 * large, values: (_, shares) => shares.map(short), ...recipe.up }),
    ],
    series: [{}, ...recipe.series.map((one) => ({ points: { show: false }, width: 2 * large, ...one }))],
    bands: recipe.bands,
    hooks: { draw: [(chart) => (recipe.mark ?? markThresholds)(chart, colours, large * uPlot.pxRatio)] },
  };
  return new uPlot(options, recipe.columns, $(id));

  function size(name) {
    const width = large === 2 ? 2 * PAPER[wide ? 0 : 1] : Math.max(200, $(name).clientWidth);
    return { width, height: large * (wide ? 230 : 260) };
  }
}

const short = (share) => `${format(100 * share, { maximumSignificantDigits: 3 })} %`;

function palette() {
  const style = getComputedStyle(root);
  const names = ["good", "bad", "ink", "soft", "line", "edge", "link"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// Paint over a chart, clipped to its plotting area.
function within(chart, paint) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, bbox);
  ctx.restore();
}

function markThresholds(chart, colours, pixel) {
  within(chart, (ctx, { top, height, left, width }) => {
    const place = (value) => Math.min(chart.valToPos(value, "x", true), left + width - pixel);
    const line = (value, colour, dash) => {
      ctx.strokeStyle = colour;
      ctx.setLineDash(dash);
      ctx.lineWidth = 2 * pixel;
      ctx.beginPath();
      ctx.moveTo(place(value), top);
      ctx.lineTo(place(value), top + height);
      ctx.stroke();
    };
    const [from, to] = data.chosen;
    ctx.globalAlpha = 0.2;
    ctx.fillStyle = colours.edge;
    ctx.fillRect(place(from), top, place(to) - place(from), height);
    ctx.globalAlpha = 1;
    if (data.present && !same(data.present, data.chosen)) line(data.present[0], colours.soft, [2 * pixel, 3 * pixel]);
    for (const value of new Set(data.chosen)) line(value, colours.ink, [6 * pixel, 4 * pixel]);
    if (!onPaper() && !same(threshold, data.chosen)) line(threshold[0], colours.link, []);
  });
}

/** Return what marks the thresholds in a curve as points; `find` returns the two shares of a threshold. */
function markPoints(find) {
  return (chart, shades, pixel) => {
    const dot = (at, colour) => {
      const [across, up] = find([at[0], at[0]]);
      chart.ctx.beginPath();
      chart.ctx.arc(chart.valToPos(across, "x", true), chart.valToPos(up, "y", true), 5 * pixel, 0, 2 * Math.PI);
      chart.ctx.fillStyle = colour;
      chart.ctx.fill();
    };
    dot(data.chosen, shades.ink);
    if (!onPaper() && !same(threshold, data.chosen)) dot(threshold, shades.link);
  };
}

const RECIPES = {
  histogram() {
    const colours = palette();
    const few = KINDS.filter((kind) => data[kind].scores.length < FEW);
    const heights = (kind) =>
      data[kind].histogram.map((n) => (few.includes(kind) || n === 0 ? null : n / data[kind].scores.length));
    const columns = KINDS.map(heights);
    const tallest = 1.08 * Math.max(0.01, ...columns.flat());
    const strokes = few.some((kind) => data[kind].scores.length);
    const scale = strokes
      ? translate("Height: share of the images of its kind; of fewer than {few} each is a stroke.", { few: FEW })
      : translate("Height: share of the images of its kind.");
    $("scale").textContent = scale;
    const bars = (kind, align) => ({
      paths: uPlot.paths.bars({ size: [0.45, 100], align }), fill: colours[kind], stroke: colours[kind], width: 0,
    });
    return {
      columns: [data.bins, ...columns],
      scales: { y: { range: [0, tallest] } },
      across: { label: translate(data.beyond ? "score (the last column: all beyond)" : "score") },
      up: columns.flat().some((height) => height) ? {} : { values: (_, shares) => shares.map(() => "") },
      series: [bars("good", -1), bars("bad", 1)],
      mark(chart, shades, pixel) {
        within(chart, (ctx, { top, height }) => {
          ctx.lineWidth = 2 * pixel;
          for (const kind of few) {
            ctx.strokeStyle = shades[kind];
            for (const score of data[kind].scores) {
              const place = chart.valToPos(Math.min(score, 0.995 * data.top), "x", true);
              ctx.beginPath();
              ctx.moveTo(place, top + height);
              ctx.lineTo(place, top + 0.6 * height);
              ctx.stroke();
            }
          }
        });
        markThresholds(chart, shades, pixel);
      },
    };
  },
  rates() {
    const colours = palette();
    const columns = [data.edges];
    const series = [];
    const bands = [];
    for (const [kind, counts] of [["good", data.overkill], ["bad", data.escape]]) {
      if (!counts) continue;
      const { low, high, scores } = data[kind];
      const paths = uPlot.paths.stepped({ align: 1 });
      bands.push({ series: [series.length + 2, series.length + 3], fill: `${colours[kind]}33` });
      columns.push(counts.map((n) => n / scores.length), counts.map((n) => high[n]), counts.map((n) => low[n]));
      const edge = { stroke: `${colours[kind]}55`, width: 1, paths };
      series.push({ stroke: colours[kind], paths }, edge, edge);
    }
    const grid = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1];
    return {
      columns, series, bands,
      scales: { y: { distr: 100, fwd: Math.sqrt, bwd: (value) => value * value, range: [0, 1] } }, // so that 1 % is visible
      across: { label: translate("threshold") },
      up: { splits: () => grid },
    };
  },
  roc() {
    const colours = palette();
    return {
      columns: data.roc,
      scales: { x: { time: false, range: [-0.01, 1] }, y: { range: [0, 1.03] } },
      across: { label: translate("good parts that fail"), values: (_, shares) => shares.map(short) },
      up: { splits: () => [0, 0.2, 0.4, 0.6, 0.8, 1] },
      series: [{ stroke: colours.good }],
      mark: markPoints((at) => [share("good", at), 1 - share("bad", at)]),
    };
  },
  precision() {
    const colours = palette();
    return {
      columns: data.precision,
      scales: { x: { time: false, range: [0, 1.01] }, y: { range: [0, 1.03] } },
      across: { label: translate("bad parts that fail"), values: (_, shares) => shares.map(short) },
      up: { splits: () => [0, 0.2, 0.4, 0.6, 0.8, 1] },
      series: [{ stroke: colours.bad }],
      mark: markPoints((at) => {
        const caught = data.bad.scores.length - wrong("bad", at);
        return [1 - share("bad", at), caught / Math.max(1, caught + wrong("good", at))];
      }),
    };
  },
  cost() {
    const colours = palette();
    return {
      columns: [data.edges, data.cost],
      scales: { y: { range: [0, 1.05 * Math.max(1e-9, ...data.cost)] } },
      across: { label: translate("threshold") },
      up: { values: (_, values) => values.map((value) => format(value, { maximumSignificantDigits: 3 })) },
      series: [{ stroke: colours.ink, paths: uPlot.paths.stepped({ align: 1 }) }],
    };
  },
};
