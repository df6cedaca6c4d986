// Learning curves as they grow: of the trials that run in colours, and behind them the best of those that have ended.
const growing = (() => {
  const TALL = 320, LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 34;

  function drawn(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // round steps, some five of them, that cover a range
  function ticks(from, to) {
    const rough = (to - from || Math.abs(to) || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((times) => times * power >= rough) * power;
    const found = [];
    for (let at = Math.ceil(from / step); at * step <= to + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
    return found;
  }

  // finite values with their epochs; an epoch without one leaves a gap
  function path(values, x, y) {
    let pen = "M";
    const parts = values.map((value, at) => {
      if (value === null) { pen = "M"; return ""; }
      const part = `${pen}${x(at + 1).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return part;
    });
    return parts.join("");
  }

  // wide: in pixels; curves: with `values`, `grows`, `label` and `color`; epochs: how many the longest will have
  function chart(wide, curves, epochs, title) {
    const all = curves.flatMap((curve) => curve.values.filter((value) => value !== null));
    let low = Math.min(...all), high = Math.max(...all);
    if (!all.length) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - Math.abs(low || 1) / 20, high + Math.abs(high || 1) / 20];
    const last = Math.max(2, epochs, ...curves.map((curve) => curve.values.length));
    const x = (epoch) => LEFT + ((epoch - 1) / (last - 1)) * (wide - LEFT - RIGHT);
    const y = (value) => TALL - BOTTOM - ((value - low) / (high - low)) * (TALL - TOP - BOTTOM);
    const svg = drawn("svg", { class: "growing", width: wide, height: TALL, role: "img", "aria-label": `${title} by epoch` });
    for (const value of ticks(low, high)) {
      svg.append(drawn("line", { class: "grid", x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value) }));
      svg.append(drawn("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)));
    }
    const steps = [1, ...ticks(1, last).filter((epoch) => Number.isInteger(epoch) && epoch > 1 + last / 12)];
    for (const epoch of steps) svg.append(drawn("text", { x: x(epoch), y: TALL - BOTTOM + 18, "text-anchor": "middle" }, String(epoch)));
    svg.append(drawn("text", { x: (LEFT + wide - RIGHT) / 2, y: TALL - 2, "text-anchor": "middle" }, "epoch"));
    // those that grow lie above the others
    const lines = curves.map((curve) => {
      const one = curve.values.filter((value) => value !== null).length === 1;
      const line = drawn("path", { class: curve.grows ? "grows" : "best", d: path(curve.values, x, y) + (one ? "h0.01" : ""), "stroke-linecap": "round" }, drawn("title", {}, curve.label));
      if (curve.grows) line.setAttribute("stroke", curve.color);
      if (curve.grows && one) line.setAttribute("stroke-width", "7");
      return line;
    });
    svg.append(...lines.filter((_, at) => !curves[at].grows), ...lines.filter((_, at) => curves[at].grows));
    return { svg, lines };
  }

  // a figure with its key; who points at a name sees its curve alone
  function figure(wide, curves, epochs, title) {
    const { svg, lines } = chart(wide, curves, epochs, title);
    const key = look.element("ul", { class: "key" });
    curves.forEach((curve, at) => {
      const stroke = drawn("line", { x1: 0, x2: 20, y1: 5, y2: 5, "stroke-width": 3, stroke: curve.grows ? curve.color : "currentColor", ...(curve.grows ? {} : { "stroke-dasharray": "4 3" }) });
      const latest = curve.values.filter((value) => value !== null).at(-1);
      const item = look.element("li", { tabindex: "0" }, drawn("svg", { viewBox: "0 0 20 10", "aria-hidden": "true" }, stroke), look.element("span", {}, curve.label), look.element("b", {}, latest === undefined ? "" : look.figure(latest)));
      const pick = (picked) => { svg.classList.toggle("picking", picked); lines[at].classList.toggle("picked", picked); };
      for (const [event, picked] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]]) item.addEventListener(event, () => pick(picked));
      key.append(item);
    });
    return look.element("figure", {}, look.element("figcaption", {}, title), svg, key);
  }

  return { figure, drawn };
})();
