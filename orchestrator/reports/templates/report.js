"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const SERIES = ["#3b76c4", "#d9822b", "#3f9c66", "#b8498a", "#8a63c9", "#c2483d", "#1f9aa8", "#8c7a2b"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const LIGHT = [[0, "#f1f4f9"], [0.25, "#c5d6ec"], [0.5, "#86abd8"], [0.75, "#3f74b7"], [1, "#123a70"]];
  const DARK = [[0, "#222a36"], [0.25, "#27466f"], [0.5, "#2f6aad"], [0.75, "#5f9fe0"], [1, "#c9e2ff"]];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly reads a small HTML of its own in every text: names are the user's and have to stand as they are
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const short = (text, most = 46) => plain(text.length > most ? text.slice(0, most - 1) + "…" : text);
  // only what works without a network: no button that sends the figure elsewhere
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

  function layout(height, more = {}) {
    const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
    return {
      height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 10, r: 10, t: 36, b: 10 },
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: css("--ink") },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--accent") },
      ...more, xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
    };
  }

  // Positions are numbers: two names that are cut to the same text must not fall into one row
  const ticks = (names) => ({ tickmode: "array", tickvals: names.map((_, at) => at), ticktext: names.map((name) => short(name)), showgrid: false, zeroline: false });

  function heatMap(target, map) {
    const fields = map.rows.length * map.columns.length;
    const trace = {
      type: "heatmap", z: map.values, x: map.columns.map((_, at) => at), y: map.rows.map((_, at) => at),
      customdata: map.notes.map((row, y) => row.map((note, x) => `<b>${plain(map.rows[y])}</b><br>${plain(map.columns[x])}<br>${plain(note)}`)),
      hovertemplate: "%{customdata}<extra></extra>", hoverongaps: true, xgap: 2, ygap: 2,
      colorscale: dark.matches ? DARK : LIGHT, reversescale: !map.higher_is_better,
      colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: css("--soft") } },
      text: map.values.map((row) => row.map((value) => (value === null ? "" : value.toPrecision(3)))),
      texttemplate: fields <= 300 ? "%{text}" : "",
    };
    const gaps = map.values.flatMap((row, y) => row.flatMap((value, x) => (value === null && fields <= 300
      ? [{ x, y, text: short(map.notes[y][x], 22), showarrow: false, font: { size: 11, color: css("--soft") } }] : [])));
    const height = Math.min(1500, Math.max(220, (map.rows.length > 16 ? 24 : 38) * map.rows.length + 130));
    return Plotly.react(target, [trace], layout(height, {
      xaxis: { ...ticks(map.columns), side: "bottom" }, yaxis: { ...ticks(map.rows), autorange: "reversed" }, annotations: gaps,
    }), config);
  }

  function choices(set) {
    const all = set.curves.map((_, at) => at);
    const few = 6;
    if (all.length <= few) return [["all cells", all], ...all.map((at) => [set.curves[at].label, [at]])];
    const half = few / 2;
    return [
      [`the ${half} best and the ${half} worst cells`, [...all.slice(0, half), ...all.slice(-half)]],
      [`the ${few} best cells`, all.slice(0, few)], [`the ${few} worst cells`, all.slice(-few)],
      ...(all.length <= 40 ? [["all cells", all]] : []), ...all.map((at) => [set.curves[at].label, [at]]),
    ];
  }

  function curves(target, set, chosen) {
    const traces = chosen.flatMap((at, place) => {
      const curve = set.curves[at];
      const color = SERIES[place % SERIES.length];
      const dash = DASHES[Math.floor(place / SERIES.length) % DASHES.length];
      const line = {
        type: "scatter", mode: curve.epochs.length > 30 ? "lines" : "lines+markers", x: curve.epochs, y: curve.mean, legendgroup: String(at),
        name: short(curve.label, 70), line: { color, width: 2, dash }, marker: { size: 5 },
        hovertemplate: `${short(curve.label, 70)}<br>epoch %{x}: %{y:.4f} (${curve.seeds} ${curve.seeds === 1 ? "seed" : "seeds"})<extra></extra>`,
      };
      if (curve.seeds < 2 || chosen.length > 12) return [line];
      const edge = { type: "scatter", mode: "lines", x: curve.epochs, line: { width: 0 }, legendgroup: String(at), showlegend: false, hoverinfo: "skip" };
      return [{ ...edge, y: curve.low }, { ...edge, y: curve.high, fill: "tonexty", fillcolor: color + "26" }, line];
    });
    return Plotly.react(target, traces, layout(380 + 22 * chosen.length, {
      xaxis: { title: { text: "epoch" }, tickformat: "d", ...(set.curves.every((curve) => curve.epochs.length <= 12) ? { dtick: 1 } : {}) },
      yaxis: { title: { text: plain(set.title.toLowerCase()) } }, showlegend: true, legend: { orientation: "h", x: 0, y: -0.22, yanchor: "top" },
    }), config);
  }

  function confusion(target, matrix) {
    const size = matrix.classes.length;
    const shares = matrix.counts.map((row) => { const sum = row.reduce((a, b) => a + b, 0); return row.map((count) => (sum ? count / sum : null)); });
    const trace = {
      type: "heatmap", z: shares, zmin: 0, zmax: 1, x: matrix.classes.map((_, at) => at), y: matrix.classes.map((_, at) => at), xgap: 1, ygap: 1,
      customdata: matrix.counts.map((row, y) => row.map((count, x) => `true ${plain(matrix.classes[y])}<br>predicted ${plain(matrix.classes[x])}<br>${count} examples`)),
      text: matrix.counts.map((row) => row.map((count) => (count ? String(count) : ""))), texttemplate: size <= 20 ? "%{text}" : "",
      hovertemplate: "%{customdata} (%{z:.1%})<extra></extra>", colorscale: dark.matches ? DARK : LIGHT,
      colorbar: { thickness: 10, outlinewidth: 0, tickformat: ".0%", tickfont: { color: css("--soft") } },
    };
    return Plotly.react(target, [trace], layout(Math.min(820, Math.max(320, 34 * size + 150)), {
      xaxis: { ...ticks(matrix.classes), title: { text: "predicted class" }, ...(size > 40 ? { showticklabels: false } : {}) },
      yaxis: { ...ticks(matrix.classes), title: { text: "true class" }, autorange: "reversed", ...(size > 40 ? { showticklabels: false } : {}) },
    }), config);
  }

  function draw() {
    for (const target of document.querySelectorAll("[data-heat-map]")) heatMap(target, page.heat_maps[target.dataset.heatMap]);
    for (const target of document.querySelectorAll("[data-curves]")) {
      const set = page.curves[target.dataset.curves];
      const select = document.querySelector(`[data-curves-choice="${target.dataset.curves}"]`);
      curves(target, set, choices(set)[select.selectedIndex][1]);
    }
    for (const target of document.querySelectorAll("[data-confusion]")) confusion(target, page.confusions[target.dataset.confusion]);
  }

  function shown(value, kind) {
    if (value === null) return "";
    if (kind === "seconds") return value.toFixed(value < 10 ? 2 : 1);
    if (kind === "number") return Math.abs(value) >= 100 ? value.toFixed(1) : Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(4) : value.toExponential(2);
    return kind === "count" ? value.toLocaleString("en") : String(value).replaceAll("_", kind === "status" ? " " : "_");
  }

  function table(root, grid) {
    const ROWS = 200;
    const words = grid.rows.map((row) => row.map((value, at) => `${value ?? ""} ${shown(value, grid.columns[at].kind)}`).join(" ").toLowerCase());
    const state = { sort: null, up: true, most: ROWS };
    const body = root.querySelector("tbody"), input = root.querySelector("input"), more = root.querySelector(".more");
    const heads = grid.columns.map((column, at) => {
      const head = document.createElement("th"), button = document.createElement("button");
      head.scope = "col";
      if (["number", "seconds", "count"].includes(column.kind)) head.className = "figure";
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => { state.up = state.sort === at ? !state.up : true; state.sort = at; fill(); });
      head.append(button);
      return head;
    });
    const line = document.createElement("tr");
    line.append(...heads);
    root.querySelector("thead").append(line);

    function compare(a, b) {
      const x = grid.rows[a][state.sort], y = grid.rows[b][state.sort];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return (state.up ? order : -order) || a - b;
    }
    function cell(value, column) {
      const field = document.createElement("td");
      const words = String(value).length > 34 ? "long" : "label";
      field.className = { number: "figure", seconds: "figure", count: "figure", status: "status" }[column.kind] ?? (column.title.endsWith("trial") ? "id" : words);
      if (column.kind === "status") {
        const dot = document.createElement("span");
        dot.className = "dot " + value;
        field.append(dot);
      }
      field.append(shown(value, column.kind));
      return field;
    }
    function fill() {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = words.flatMap((text, at) => (wanted.every((word) => text.includes(word)) ? [at] : []));
      if (state.sort !== null) found.sort(compare);
      body.replaceChildren(...found.slice(0, state.most).map((at) => {
        const row = document.createElement("tr");
        row.append(...grid.rows[at].map((value, place) => cell(value, grid.columns[place])));
        return row;
      }));
      heads.forEach((head, at) => (at === state.sort ? head.setAttribute("aria-sort", state.up ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
      more.hidden = found.length <= state.most;
      root.querySelector("output").textContent = `${found.length.toLocaleString("en")} of ${grid.rows.length.toLocaleString("en")} rows`;
    }
    input.addEventListener("input", () => { state.most = ROWS; fill(); });
    more.addEventListener("click", () => { state.most += 5 * ROWS; fill(); });
    fill();
  }

  for (const root of document.querySelectorAll("[data-table]")) table(root, page[root.dataset.table]);
  for (const select of document.querySelectorAll("[data-curves-choice]")) {
    select.append(...choices(page.curves[select.dataset.curvesChoice]).map(([name]) => new Option(name)));
    select.addEventListener("change", draw);
  }
  dark.addEventListener("change", draw);
  draw();
})();
