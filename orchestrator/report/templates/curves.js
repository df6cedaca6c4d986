// Learning curves: the mean over the seeds of a cell, and a band from the lowest to the highest.
const curves = (() => {
  const { plain, short, layout, config, SERIES } = look;
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const MANY = 12;
  // of the cells within the filters, the better first
  const SHOWN = {
    best: ["the 6 best cells", (all) => all.slice(0, 6)], ends: ["the 3 best and the 3 worst", (all) => (all.length <= 6 ? all : [...all.slice(0, 3), ...all.slice(-3)])],
    more: ["the 20 best cells", (all) => all.slice(0, 20)], all: ["all cells (at most 60)", (all) => all.slice(0, 60)],
  };

  function draw(target, cells, some, measure, title, named = (curve) => figures.nameOf(cells, cells.cells[curve.cell])) {
    const traces = some.flatMap((curve, place) => {
      const line = curve.lines[measure], label = named(curve);
      if (!line) return [];
      const color = SERIES[place % SERIES.length], dash = DASHES[Math.floor(place / SERIES.length) % DASHES.length], group = { legendgroup: String(curve.cell) };
      const drawn = {
        type: "scatter", mode: curve.epochs.length > 30 ? "lines" : "lines+markers", x: curve.epochs, y: line.mean, ...group, name: short(label, look.narrow() ? 40 : 70),
        line: { color, width: 2, dash }, marker: { size: 5 }, hovertemplate: `${short(label, 70)}<br>epoch %{x}: %{y:.4f} (${curve.seeds} ${curve.seeds === 1 ? "seed" : "seeds"})<extra></extra>`,
      };
      if (!line.low.length || some.length > MANY) return [drawn];
      const edge = { type: "scatter", mode: "lines", x: curve.epochs, line: { width: 0 }, ...group, showlegend: false, hoverinfo: "skip" };
      return [{ ...edge, y: line.low }, { ...edge, y: line.high, fill: "tonexty", fillcolor: color + "26" }, drawn];
    });
    const few = some.every((curve) => curve.epochs.at(-1) <= 12);
    const legend = some.length <= 20;
    if (!traces.length) return look.nothing(target, `No cell within the filters has ${title}.`);
    return Plotly.react(target, traces, layout(380 + (legend ? 22 * some.length : 60), {
      xaxis: { title: { text: "epoch" }, tickformat: "d", ...(few ? { dtick: 1 } : {}) }, yaxis: { title: { text: plain(title) } }, showlegend: legend, legend: look.legend,
    }), config);
  }
  return { SHOWN, draw };
})();
