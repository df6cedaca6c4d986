// Figures of the cells: heat maps, gaps, costs, effects, ranks, and what each cell made of the classes.
const figures = (() => {
  const { plain, short, css, layout, config, ticks, SERIES, SHAPES, figure } = look;
  const mean = (values) => { const there = values.filter((value) => value !== null); return there.length ? there.reduce((a, b) => a + b, 0) / there.length : null; };
  const gapOf = (cell, dataset) => (cell.train === null || cell.mean === null ? null : dataset.higher_is_better ? cell.train - cell.mean : cell.mean - cell.train);
  const nameOf = (cells, cell) => cells.axes.slice(1).map((axis, at) => axis.levels[cell.at[at + 1]]).join(" · ");
  const description = (cells, cell) => `<b>${plain(nameOf(cells, cell))}</b><br>${figure(cell.mean)}${cell.low === null ? "" : ` [${figure(cell.low)}, ${figure(cell.high)}]`}, ${cell.n} ${cell.n === 1 ? "seed" : "seeds"} (${plain(cell.statuses)})`;
  const style = (level) => ({ color: SERIES[level % SERIES.length], symbol: SHAPES[Math.floor(level / SERIES.length) % SHAPES.length] });

  function heat(target, z, notes, rows, columns, { reversed = false, title = "", format = figure, gaps = null } = {}) {
    const fields = rows.length * columns.length, wordy = fields <= (look.narrow() ? 40 : 300);
    const trace = {
      type: "heatmap", z, x: columns.map((_, at) => at), y: rows.map((_, at) => at), customdata: notes, hovertemplate: "%{customdata}<extra></extra>",
      hoverongaps: true, xgap: 2, ygap: 2, colorscale: look.scale(), reversescale: reversed, showscale: !look.narrow(),
      colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: css("--soft") }, title: { text: plain(title), side: "right", font: { color: css("--soft") } } },
      text: z.map((row) => row.map((value) => (value === null ? "" : format(value)))), texttemplate: wordy ? "%{text}" : "",
    };
    const annotations = gaps === null || !wordy ? [] : z.flatMap((row, y) => row.flatMap((value, x) => (value === null ? [{ x, y, text: short(gaps[y][x], 22), showarrow: false, font: { size: 11, color: css("--soft") } }] : [])));
    const { axis, more } = look.across(target, columns);
    const height = Math.min(1500, Math.max(200, (rows.length > 16 ? 24 : 38) * rows.length + 150)) + more;
    return Plotly.react(target, [trace], layout(height, { xaxis: { ...axis, side: "bottom" }, yaxis: { ...ticks(rows), autorange: "reversed" }, annotations }), config);
  }

  const VALUES = {
    score: ["score", (cell) => cell.mean], gap: ["generalisation gap", (cell, dataset) => gapOf(cell, dataset)],
    seconds: ["training in all (s)", (cell) => cell.costs[0]], broken: ["share of trials that broke", (cell) => { const [all, bad] = brokenOf(cell); return all ? bad / all : null; }],
  };
  function brokenOf(cell) {
    const counts = cell.statuses.split(", ").map((part) => [parseInt(part), part.replace(/^\d+ /, "")]);
    const ran = counts.filter(([, name]) => !["skipped", "pending", "running", "cancelled"].includes(name));
    return [ran.reduce((sum, [count]) => sum + count, 0), ran.filter(([, name]) => name !== "completed").reduce((sum, [count]) => sum + count, 0)];
  }

  // Cells by two axes: `down` and `across` are lists of places in the axes, and a field is the mean of its cells
  function heatMap(target, cells, some, dataset, down, across, kind) {
    const [title, value] = VALUES[kind];
    if (String(across) === String(down)) across = []; // of one axis there is one column
    const name = (cell, places) => places.map((place) => cells.axes[place].levels[cell.at[place]]).join(" · ");
    const order = (places) => (a, b) => places.reduce((sign, place) => sign || a.at[place] - b.at[place], 0);
    const rows = [...new Set([...some].sort(order(down)).map((cell) => name(cell, down)))], columns = [...new Set([...some].sort(order(across)).map((cell) => name(cell, across)))];
    const at = new Map(rows.map((text, place) => [text, place])), by = new Map(columns.map((text, place) => [text, place]));
    const fields = rows.map(() => columns.map(() => []));
    for (const cell of some) fields[at.get(name(cell, down))][by.get(name(cell, across))].push(cell);
    const z = fields.map((row) => row.map((field) => mean(field.map((cell) => value(cell, dataset)))));
    const why = (field) => (field.length === 0 ? "not in the grid" : field.length === 1 ? field[0].statuses : `${field.length} cells`);
    const notes = fields.map((row, y) => row.map((field, x) => {
      const lacking = field.filter((cell) => value(cell, dataset) === null).length;
      const words = field.length === 1 ? description(cells, field[0]) : `<b>${plain(rows[y])}</b><br>${plain(columns[x])}<br>${field.length ? `mean of ${field.length - lacking} of ${field.length} cells${lacking ? "; the others have no value" : ""}` : "not in the grid"}`;
      return z[y][x] === null ? words : `${words}<br>${plain(title)}: ${figure(z[y][x])}`;
    }));
    const better = kind === "score" ? dataset.higher_is_better : true;
    return heat(target, z, notes, rows, columns, {
      reversed: !better, title: kind === "score" ? dataset.measure : title, format: (number) => (kind === "broken" ? `${Math.round(100 * number)} %` : number.toPrecision(3)), gaps: fields.map((row) => row.map(why)),
    });
  }

  function gap(target, cells, some, dataset, axis, color) {
    const there = some.filter((cell) => gapOf(cell, dataset) !== null);
    const levels = cells.axes[axis].levels.map((_, level) => level).filter((level) => there.some((cell) => cell.at[axis] === level));
    const shades = [...new Set(there.map((cell) => cell.at[color]))].sort((a, b) => a - b);
    const traces = shades.map((shade, place) => {
      const mine = there.filter((cell) => cell.at[color] === shade);
      return {
        type: "scatter", mode: "markers", name: short(cells.axes[color].levels[shade], 40), marker: { ...style(shade), size: 9, opacity: 0.85 },
        x: mine.map((cell) => levels.indexOf(cell.at[axis]) + ((place + 0.5) / shades.length - 0.5) * 0.5), y: mine.map((cell) => gapOf(cell, dataset)),
        customdata: mine.map((cell) => `${description(cells, cell)}<br>train ${figure(cell.train)}, gap ${figure(gapOf(cell, dataset))}`), hovertemplate: "%{customdata}<extra></extra>",
      };
    });
    const means = levels.map((level) => mean(there.filter((cell) => cell.at[axis] === level).map((cell) => gapOf(cell, dataset))));
    const shapes = means.map((value, at) => ({ type: "line", x0: at - 0.33, x1: at + 0.33, y0: value, y1: value, line: { color: css("--ink"), width: 2 } }));
    const names = look.across(target, levels.map((level) => cells.axes[axis].levels[level]));
    return Plotly.react(target, traces, layout(420 + 8 * shades.length + names.more, {
      xaxis: { ...names.axis, range: [-0.6, levels.length - 0.4] },
      yaxis: { title: { text: dataset.higher_is_better ? `train minus ${dataset.split}` : `${dataset.split} minus train` }, zeroline: true, zerolinewidth: 2 }, shapes, showlegend: shades.length > 1 && shades.length <= 24, legend: names.more ? look.above : look.legend,
    }), config);
  }

  // Cells that no other beats on both: none is cheaper and at least as good
  function front(points, higher) {
    const ordered = [...points].sort((a, b) => a.cost - b.cost || (higher ? b.score - a.score : a.score - b.score));
    let best = null;
    return ordered.filter((point) => { const ahead = best === null || (higher ? point.score > best : point.score < best); if (ahead) best = point.score; return ahead; });
  }

  // 1, 2, 5, 10, ... as far as a cost reaches
  function decades([from, to]) {
    const steps = to / from > 1e3 || (look.narrow() && to / from > 30) ? [1] : to / from > 10 ? [1, 2, 5] : [1, 2, 3, 5, 7], values = [];
    for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power += 1) values.push(...steps.map((step) => Number(`${step}e${power}`)));
    const wide = Math.log10(to / from) * 0.06;
    return { tickmode: "array", tickvals: values, ticktext: values.map((value) => new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value)), range: [Math.log10(from) - wide, Math.log10(to) + wide] };
  }

  function costs(target, cells, some, dataset, cost, color) {
    const points = some.flatMap((cell) => (cell.mean !== null && cell.costs[cost] ? [{ cell, cost: cell.costs[cost], score: cell.mean }] : []));
    if (!points.length) return look.nothing(target, "No cell within the filters has a score and this cost.");
    const best = front(points, dataset.higher_is_better), { title, unit } = cells.costs[cost];
    const shades = [...new Set(points.map((point) => point.cell.at[color]))].sort((a, b) => a - b);
    const line = {
      type: "scatter", mode: "lines", name: "Pareto front", x: best.map((point) => point.cost), y: best.map((point) => point.score),
      line: { color: css("--soft"), width: 1.5, dash: "dot", shape: "hv" }, hoverinfo: "skip",
    };
    const traces = shades.map((shade) => {
      const mine = points.filter((point) => point.cell.at[color] === shade);
      return {
        type: "scatter", mode: "markers", name: short(cells.axes[color].levels[shade], 40), x: mine.map((point) => point.cost), y: mine.map((point) => point.score),
        marker: { ...style(shade), size: mine.map((point) => (best.includes(point) ? 13 : 8)), opacity: 0.9, line: { color: css("--card"), width: 1 } },
        error_y: points.length > 150 ? { visible: false } : { type: "data", symmetric: false, thickness: 1, width: 0, array: mine.map(({ cell }) => (cell.high ?? cell.mean) - cell.mean), arrayminus: mine.map(({ cell }) => cell.mean - (cell.low ?? cell.mean)) },
        customdata: mine.map((point) => `${description(cells, point.cell)}<br>${plain(title)}: ${point.cost.toLocaleString("en")} ${unit}${best.includes(point) ? "<br>on the Pareto front" : ""}`), hovertemplate: "%{customdata}<extra></extra>",
      };
    });
    const ends = [Math.min(...points.map((point) => point.cost)), Math.max(...points.map((point) => point.cost))], wide = ends[1] > 2 * ends[0];
    return Plotly.react(target, [line, ...traces], layout(440 + 8 * shades.length, {
      xaxis: { title: { text: plain(unit ? `${title} (${unit})` : title) }, type: wide ? "log" : "linear", ...(wide ? decades(ends) : {}) },
      yaxis: { title: { text: plain(dataset.measure) } }, showlegend: shades.length <= 24, legend: look.legend,
    }), config);
  }

  function effects(target, set) {
    const rest = (share) => share.term === "left over", kept = [...set.shares.filter((share) => !rest(share)).slice(0, 12), ...set.shares.filter(rest)], names = kept.map((share) => share.term);
    const trace = {
      type: "bar", orientation: "h", x: kept.map((share) => share.share), y: kept.map((_, at) => at), marker: { color: kept.map((share) => (rest(share) ? css("--idle") : SERIES[0])) }, width: 0.6,
      error_x: { type: "data", symmetric: false, color: css("--ink"), thickness: 1.2, width: 4, array: kept.map((share) => (share.high === null ? 0 : Math.max(0, share.high - share.share))), arrayminus: kept.map((share) => (share.low === null ? 0 : Math.max(0, share.share - share.low))) },
      customdata: kept.map((share) => `<b>${plain(share.term)}</b><br>${(100 * share.share).toFixed(1)} %${share.low === null ? "" : ` [${(100 * share.low).toFixed(1)}, ${(100 * share.high).toFixed(1)}]`} of the variance`), hovertemplate: "%{customdata}<extra></extra>",
    };
    return Plotly.react(target, [trace], layout(120 + 34 * kept.length, {
      xaxis: { title: { text: "share of the variance" }, tickformat: ".0%", rangemode: "tozero" }, yaxis: { ...ticks(names), autorange: "reversed" }, showlegend: false,
    }), config);
  }

  function ranks(target, set) {
    // no rank is below 1 or beyond the number of levels, so no bar is either
    const at = set.levels.map((_, place) => place), half = set.critical_difference / 2, worst = set.levels.length;
    const dots = {
      type: "scatter", mode: "markers", x: set.average, y: at, marker: { color: SERIES[0], size: 11 }, error_x: { type: "data", symmetric: false, array: set.average.map((rank) => Math.min(half, worst - rank)), arrayminus: set.average.map((rank) => Math.min(half, rank - 1)), color: SERIES[0], thickness: 2, width: 5 },
      customdata: set.levels.map((level, place) => `<b>${plain(level)}</b><br>average rank ${set.average[place].toFixed(2)} over ${set.blocks} data sets`), hovertemplate: "%{customdata}<extra></extra>",
    };
    // a bar beside the rows for each set of neighbours that cannot be told apart
    const step = 0.04 * (worst - 1), right = worst + step;
    const shapes = set.groups.map(([first, last], place) => ({ type: "line", x0: right + step * (place + 1), x1: right + step * (place + 1), y0: first - 0.25, y1: last + 0.25, line: { color: css("--ink"), width: 5 } }));
    const ruler = { type: "line", x0: 1, x1: 1 + set.critical_difference, y0: -0.75, y1: -0.75, line: { color: css("--soft"), width: 2 } };
    const annotations = [{ x: 1 + half, y: -1, text: `CD = ${set.critical_difference.toFixed(2)}`, showarrow: false, font: { color: css("--soft") } }];
    return Plotly.react(target, [dots], layout(150 + 34 * set.levels.length, {
      xaxis: { title: { text: "average rank (1 is the best)" }, range: [1 - step, right + step * (set.groups.length + 1)], tickmode: "array", tickvals: at.map((place) => place + 1).filter((_, place) => worst <= 20 || place % 5 === 0), zeroline: false }, yaxis: { ...ticks(set.levels), range: [set.levels.length - 0.4, -1.4] }, shapes: [...shapes, ruler], annotations, showlegend: false,
    }), config);
  }

  function confusion(target, names, item) {
    const size = names.length;
    const shares = item.counts.map((row) => { const sum = row.reduce((a, b) => a + b, 0); return row.map((count) => (sum ? count / sum : null)); });
    const trace = {
      type: "heatmap", z: shares, zmin: 0, zmax: 1, x: names.map((_, at) => at), y: names.map((_, at) => at), xgap: 1, ygap: 1,
      customdata: item.counts.map((row, y) => row.map((count, x) => `true ${plain(names[y])}<br>predicted ${plain(names[x])}<br>${count} examples`)),
      text: item.counts.map((row) => row.map((count) => (count ? String(count) : ""))), texttemplate: size <= (look.narrow() ? 10 : 20) ? "%{text}" : "",
      hovertemplate: "%{customdata} (%{z:.1%})<extra></extra>", colorscale: look.scale(), showscale: false,
    };
    const axis = { ...ticks(names, 16), ...(size > 40 ? { showticklabels: false } : {}) };
    return Plotly.react(target, [trace], layout(460, {
      xaxis: { ...axis, title: { text: "predicted class", standoff: 16 } }, yaxis: { ...axis, title: { text: "true class" }, autorange: "reversed" },
    }), config);
  }

  function roc(target, names, rates, item) {
    const chance = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { color: css("--line"), width: 1.5 }, hoverinfo: "skip", showlegend: false };
    const lines = [...item.rocs].reverse().map((one) => {
      const all = one.class_index < 0, name = all ? "mean of all classes" : names[one.class_index];
      return {
        type: "scatter", mode: "lines", name: short(name, 24), x: rates, y: one.thousandths.map((value) => value / 1000), line: all ? { color: css("--ink"), width: 3 } : { color: SERIES[one.class_index % SERIES.length], width: 1.5, dash: one.class_index >= SERIES.length ? "dash" : "solid" },
        hovertemplate: `${short(name, 40)}<br>false positive rate %{x:.3f}<br>true positive rate %{y:.3f}<extra></extra>`,
      };
    });
    return Plotly.react(target, [chance, ...lines], layout(460, {
      xaxis: { title: { text: "false positive rate" }, range: [-0.01, 1.01] }, yaxis: { title: { text: "true positive rate" }, range: [-0.01, 1.02] }, legend: { x: 0.98, y: 0.03, xanchor: "right", yanchor: "bottom", bgcolor: "rgba(0,0,0,0)", font: { size: 11 } },
    }), config);
  }

  return { VALUES, nameOf, heatMap, gap, costs, effects, ranks, confusion, roc };
})();
