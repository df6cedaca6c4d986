"use strict";
// Figures of the tuning section. The look of the page is lent by report.js, which calls this.
const tuningFigures = ({ layout, plain, short, css, config, SERIES }) => {
  const SHAPES = ["circle", "square", "diamond", "triangle-up", "pentagon"];
  const FEW = 8;

  function choices(figure) {
    const all = figure.cells.map((_, at) => at);
    return [
      ...(all.length > FEW ? [[`the ${FEW} best cells`, all.slice(0, FEW)]] : []),
      [all.length > 1 ? `all ${all.length} cells` : figure.cells[0].label, all],
      ...(all.length > 1 ? all.map((at) => [figure.cells[at].label, [at]]) : []),
    ];
  }

  function axis(figure) {
    const title = { text: plain(figure.parameter) };
    if (figure.names.length) {
      const ticks = { tickmode: "array", tickvals: figure.ticks, ticktext: figure.names.map((name) => short(name)) };
      const range = figure.categorical ? { range: [-0.6, figure.names.length - 0.4], showgrid: false, zeroline: false } : {};
      return { title, type: figure.log ? "log" : "linear", ...ticks, ...range };
    }
    const [low, high] = [figure.bands[0][0], figure.bands[1][1]].map((end) => (figure.log ? Math.log10(end) : end));
    const wide = (high - low) * 0.03;
    // decades alone where there are many; in between, digits without a power would not say of what
    const decades = figure.log ? { type: "log", exponentformat: "power", ...(high - low > 2 ? { dtick: 1 } : {}) } : {};
    return { title, ...decades, range: [low - wide, high + wide], zeroline: false };
  }

  function traces(figure, at, place, beside) {
    const cell = figure.cells[at];
    const color = SERIES[place % SERIES.length], shape = SHAPES[Math.floor(place / SERIES.length) % SHAPES.length];
    // cells that tried the same value of a list stand beside each other
    const shift = figure.categorical ? ((place + 0.5) / beside - 0.5) * 0.6 : 0;
    const all = cell.places.map((_, point) => point);
    const points = (some, marker, more) => ({
      type: "scatter", mode: "markers", legendgroup: String(at), showlegend: false, name: short(cell.label, 70), marker,
      x: some.map((point) => cell.places[point] + shift), y: some.map((point) => cell.scores[point]),
      customdata: some.map((point) => `<b>${plain(cell.label)}</b><br>${cell.scores[point].toPrecision(4)}${point === cell.chosen ? " (chosen)" : ""}<br>${plain(cell.notes[point]).replaceAll(", ", "<br>")}`),
      hovertemplate: "%{customdata}<extra></extra>", ...more,
    });
    const name = { type: "scatter", mode: "markers", x: [null], y: [null], legendgroup: String(at), name: short(cell.label, 70), marker: { color, symbol: shape, size: 9 } };
    const broken = {
      type: "scatter", mode: "markers", legendgroup: String(at), showlegend: false, yaxis: "y2", x: cell.broken.map((where) => where + shift), y: cell.broken.map(() => 0.02),
      marker: { symbol: "x-thin", size: 8, line: { color, width: 2 } }, hovertemplate: `<b>${short(cell.label, 70)}</b><br>failed or diverged<extra></extra>`,
    };
    return [
      name, broken,
      points(all.filter((point) => cell.stopped[point] && point !== cell.chosen), { color, symbol: `${shape}-open`, size: 8, line: { width: 1.5 } }),
      points(all.filter((point) => !cell.stopped[point] && point !== cell.chosen), { color, symbol: shape, size: 8 }),
      points(cell.chosen === null ? [] : [cell.chosen], { color, symbol: "star", size: 17, line: { color: css("--ink"), width: 1.2 } }),
    ];
  }

  function draw(target, figure, chosen) {
    const shapes = figure.bands.map(([from, to]) => ({
      type: "rect", x0: from, x1: to, yref: "paper", y0: 0, y1: 1, line: { width: 0 }, fillcolor: css("--warn"), opacity: 0.12, layer: "below",
    }));
    const drawn = chosen.flatMap((at, place) => traces(figure, at, place, chosen.length));
    // stars are drawn last, on top
    drawn.sort((a, b) => (a.marker.symbol === "star") - (b.marker.symbol === "star"));
    return Plotly.react(target, drawn, layout(400 + 22 * chosen.length, {
      xaxis: axis(figure), yaxis: { title: { text: plain(figure.title.toLowerCase()) } },
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true }, shapes,
      showlegend: true, legend: { orientation: "h", x: 0, y: -0.24, yanchor: "top" },
    }), config);
  }

  return { choices, draw };
};
