"use strict";
// How everything on the page looks: colours of the theme, names as they stand, the layout that all figures share.
const look = (() => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const SERIES = ["#3b76c4", "#d9822b", "#3f9c66", "#b8498a", "#8a63c9", "#c2483d", "#1f9aa8", "#8c7a2b"];
  const SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "star"];
  const LIGHT = [[0, "#f1f4f9"], [0.25, "#c5d6ec"], [0.5, "#86abd8"], [0.75, "#3f74b7"], [1, "#123a70"]];
  const DARK = [[0, "#222a36"], [0.25, "#27466f"], [0.5, "#2f6aad"], [0.75, "#5f9fe0"], [1, "#c9e2ff"]];
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const isDark = () => !printing && (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  // Plotly reads a small HTML of its own in every text: names are the user's and have to stand as they are
  // Plotly reads tags, and in what it shows beside the pointer %{...}
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "&#37;{");
  // in the middle: names of levels begin alike, and differ at their ends
  const cut = (text, most) => {
    const signs = [...text], head = Math.ceil((most - 1) / 2);
    return signs.length > most ? [...signs.slice(0, head), "…", ...signs.slice(signs.length - (most - 1 - head))].join("") : text;
  };
  const short = (text, most = 46) => plain(cut(String(text), most));
  const narrow = () => innerWidth < 640;
  // only what works without a network: no button that sends the figure elsewhere
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

  function layout(height, more = {}) {
    const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
    return {
      height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 10, r: narrow() ? 16 : 10, t: 28, b: 10 },
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow() ? 11 : 13, color: css("--ink") },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--accent") },
      ...more, xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
    };
  }

  // Positions are numbers: two names that are cut to the same text must not fall into one row
  const ticks = (names, most = narrow() ? 16 : 40) => ({
    tickmode: "array", tickvals: names.map((_, at) => at), ticktext: names.map((name) => short(name, most)), showgrid: false, zeroline: false,
  });
  // names along the x axis that do not fit side by side stand upright, and take so much more height; at another angle Plotly
  // hides those that begin beside the plot
  function across(target, names) {
    const marks = ticks(names), longest = Math.max(0, ...marks.ticktext.map((text) => text.length));
    if (names.length * longest * 7 < target.clientWidth - 150) return { axis: marks, more: 0 };
    return { axis: { ...marks, tickangle: 90 }, more: longest * 6.5 };
  }
  // a figure that has nothing to show says so: empty axes would show numbers that nobody measured
  function nothing(target, words) { Plotly.purge(target); target.textContent = words; target.dataset.nothing = "yes"; }
  const scale = () => (isDark() ? DARK : LIGHT);
  const legend = { orientation: "h", x: 0, y: -0.2, yanchor: "top", itemsizing: "constant" };
  const above = { ...legend, y: 1.02, yanchor: "bottom" };
  const figure = (value) => (value === null ? "–" : Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toPrecision(4) : value.toFixed(4));

  function element(name, attributes = {}, ...children) {
    const svg = ["svg", "line", "circle", "title"].includes(name);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // A mean and its interval on a scale, with a mark where something has to be exceeded
  function whisker([mean, low, high], [from, to], mark = null) {
    const wide = 170, tall = 16;
    const at = (value) => 6 + ((value - from) / (to - from || 1)) * (wide - 12);
    const drawn = element("svg", { class: "whisker", viewBox: `0 0 ${wide} ${tall}`, width: wide, height: tall, "aria-hidden": "true" });
    if (mark !== null) drawn.append(element("line", { class: "mark", x1: at(mark), x2: at(mark), y1: 0, y2: tall }));
    if (low !== null && high !== null) drawn.append(element("line", { class: "reach", x1: at(low), x2: at(high), y1: tall / 2, y2: tall / 2 }));
    if (mean !== null) drawn.append(element("circle", { cx: at(mean), cy: tall / 2, r: 2.6 }));
    return drawn;
  }

  function whenLooksChange(draw) {
    systemDark.addEventListener("change", draw);
    addEventListener("beforeprint", () => { printing = true; root.classList.add("printing"); draw(true); });
    addEventListener("afterprint", () => { printing = false; root.classList.remove("printing"); draw(); });
    const button = document.querySelector("[data-theme-choice]");
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; draw(); });
  }

  return { SERIES, SHAPES, css, plain, cut, short, narrow, config, layout, ticks, across, nothing, scale, legend, above, figure, element, whisker, whenLooksChange };
})();
