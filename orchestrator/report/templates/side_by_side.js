// Two cells, or single trials of them, side by side; the address names them: #compare=ID,ID.
const sideBySide = (() => {
  const { element, figure } = look;
  const PREFIX = "#compare=", OPTIONS = 2000, EXAMPLES = 12, NONE = "–";

  // page: its values. changed: is called when other cells are chosen
  function open(page, root, changed) {
    const { cells, side_by_side: data, all_trials: trials } = page;
    const find = (name) => [...root.querySelectorAll(`[data-${name}]`)];
    const [ofCell, ofTrial, measure, message] = [find("side"), find("side-trial"), find("side-measure")[0], find("side-message")[0]];
    const rowsOf = (cell) => data.trials.flatMap((place, row) => (place === cell ? [row] : []));
    const at = (title) => trials.columns.findIndex((column) => column.title === title);
    const idOf = (row) => trials.rows[row][at("trial")];
    const nameOf = (cell) => `${cells.axes[0].levels[cells.cells[cell].at[0]]}: ${figures.nameOf(cells, cells.cells[cell])}`;
    const option = (value, text) => { const made = new Option(look.cut(text, 90), value); made.title = text; return made; };
    const sides = () => ofCell.map((select, side) => ({ cell: Number(select.value), row: ofTrial[side].value === "" ? null : Number(ofTrial[side].value) }));

    // thousands of cells are listed when the section comes into view: until then a list has what is chosen
    function listCells(select) {
      const chosen = select.value;
      select.replaceChildren();
      for (const [dataset, { name }] of cells.datasets.entries()) {
        const own = cells.cells.flatMap((cell, place) => (cell.at[0] === dataset ? [place] : [])).slice(0, OPTIONS);
        const group = element("optgroup", { label: name }, ...own.map((place) => option(place, figures.nameOf(cells, cells.cells[place]))));
        if (own.length) select.append(group);
      }
      pick(select, chosen);
    }
    function pick(select, cell) {
      if (![...select.options].some((one) => one.value === String(cell))) select.append(option(cell, figures.nameOf(cells, cells.cells[cell])));
      select.value = String(cell);
    }
    function choose(side, cell, row = null) {
      pick(ofCell[side], cell);
      const own = rowsOf(cell), seeds = cells.cells[cell].n;
      ofTrial[side].replaceChildren(option("", `mean over ${seeds} ${seeds === 1 ? "seed" : "seeds"}`), ...own.map((one) => option(one, `seed ${trials.rows[one][at("seed")]} (${idOf(one)})`)));
      ofTrial[side].value = row === null ? "" : String(row);
    }
    const places = new Map(data.cells.map((id, place) => [id, place]));
    function named(id) {
      if (places.has(id)) return { cell: places.get(id), row: null };
      const row = trials.rows.findIndex((_, one) => idOf(one) === id);
      return row < 0 || data.trials[row] === null ? null : { cell: data.trials[row], row };
    }
    const address = () => PREFIX + sides().map(({ cell, row }) => (row === null ? data.cells[cell] : idOf(row))).join(",");

    // What is known of a side, as title to text, number, and whether a greater number is so many times a smaller one
    function facts({ cell, row }) {
      const own = cells.cells[cell], { measure: title } = cells.datasets[own.at[0]];
      const training = `${cells.costs[0].title} (${cells.costs[0].unit})`;
      if (row !== null) {
        const known = new Map([["trial", [idOf(row), null]], [title, [NONE, null]]]);
        trials.columns.forEach(({ title: name, kind }, place) => {
          const value = trials.rows[row][place];
          if (cells.axes.some((axis) => axis.name === name) || name === "tuned" || name === "trial") return;
          known.set(name === "training s" ? training : name, [tables.shown(value, kind) || NONE, ["number", "seconds"].includes(kind) ? value : null, kind === "seconds"]);
        });
        return known;
      }
      return new Map([
        [title, [tables.shown([own.mean, own.low, own.high], "interval") || NONE, own.mean]], ["the same in training", [figure(own.train), own.train]],
        ["place", [own.rank === null ? NONE : `${own.rank}${own.ties && own.rank > 1 ? ", tied with the first" : ""}`, null]], ["trials", [own.statuses, null]],
        ...cells.costs.map((cost, place) => [cost.unit ? `${cost.title} (${cost.unit})` : cost.title, [own.costs[place] === null ? NONE : own.costs[place].toLocaleString("en", { maximumSignificantDigits: 4 }), own.costs[place], true]]),
      ]);
    }
    function between(a, b, times) {
      if (typeof a !== "number" || typeof b !== "number") return "";
      if (times) return a > 0 && b > 0 ? `× ${(b / a).toPrecision(3)}` : "";
      const apart = Math.abs(b - a);
      // as many digits as the two have that it lies between
      return `${b >= a ? "+" : "−"}${apart >= 5e-5 && apart < 1000 ? apart.toFixed(4) : figure(apart)}`;
    }
    function fill(name, heads, rows) {
      const [table] = find(name);
      const fields = (tag, texts) => texts.map((text, place) => element(tag, { ...(tag === "th" ? { scope: "col" } : {}), class: place ? "side" : "name" }, text));
      table.tHead.replaceChildren(element("tr", {}, ...fields("th", heads)));
      table.tBodies[0].replaceChildren(...rows.map((row) => element("tr", {}, ...fields("td", row))));
      table.closest("[data-part]").hidden = !rows.length;
    }

    function scores(a, b) {
      const [first, second] = [facts(a), facts(b)], absent = [NONE, null];
      const rows = [...new Set([...first.keys(), ...second.keys()])].map((title) => {
        const [[text, value, times], [other, against]] = [first.get(title) ?? absent, second.get(title) ?? absent];
        return [title, text, other, between(value, against, times)];
      });
      fill("side-scores", ["", "A", "B", "B − A"], rows);
    }
    function settings(a, b) {
      const [first, second] = [a, b].map(({ cell }) => new Map(data.of_cells[cell].flatMap((place) => data.settings[place])));
      const names = [...new Set([...first.keys(), ...second.keys()])].filter((name) => first.get(name) !== second.get(name));
      fill("side-settings", ["", "A", "B"], names.map((name) => [name, first.get(name) ?? NONE, second.get(name) ?? NONE]));
    }
    function recalls(a, b) {
      const items = [a, b].map(({ cell }) => page.breakdowns.cells.find((item) => item.cell === cell)), dataset = cells.cells[a.cell].at[0];
      if (a.cell === b.cell || items.includes(undefined) || dataset !== cells.cells[b.cell].at[0]) return fill("side-recalls", [], []);
      const recall = ({ counts }, place) => { const all = counts[place].reduce((sum, count) => sum + count, 0); return all ? counts[place][place] / all : null; };
      const rows = page.breakdowns.classes[dataset].map((name, place) => [name, recall(items[0], place), recall(items[1], place)]);
      const apart = ([, one, other]) => (one === null || other === null ? -1 : Math.abs(one - other));
      rows.sort((one, other) => apart(other) - apart(one));
      return fill("side-recalls", ["class", "A", "B", "B − A"], rows.map(([name, one, other]) => [name, figure(one), figure(other), between(one, other)]));
    }

    const bits = (text) => { const bytes = atob(text); return (example) => (bytes.charCodeAt(example >> 3) >> (example & 7)) & 1; };
    function answers(a, b) {
      const [place] = find("side-answers"), known = data.answers.find((one) => one.cells.includes(a.cell) && one.cells.includes(b.cell));
      place.closest("[data-part]").hidden = !known || a.cell === b.cell;
      place.replaceChildren();
      if (!known || a.cell === b.cell) return;
      const [first, second] = [a, b].map(({ cell }) => bits(known.right[known.cells.indexOf(cell)])), counts = [0, 0, 0, 0];
      for (let example = 0; example < known.examples; example += 1) counts[2 * first(example) + second(example)] += 1;
      const count = (value) => value.toLocaleString("en");
      place.append(element("p", {}, `Of ${count(known.examples)} test examples, both get ${count(counts[3])} right, neither gets ${count(counts[0])}; only A gets ${count(counts[2])}, only B ${count(counts[1])}. This compares one trial of each, on one test split.`));
      for (const [words, one, other] of [["only A gets right", first, second], ["only B gets right", second, first]]) {
        const own = known.named.flatMap((example, row) => (one(example) && !other(example) ? [row] : []));
        if (!own.length) continue;
        const items = own.slice(0, EXAMPLES).map((row) => element("li", {}, element("code", {}, known.sources[row]), ` ${known.targets[row]}`));
        place.append(element("h4", {}, words), element("ul", { class: "examples" }, ...items));
      }
    }

    function show() {
      const [a, b] = sides();
      find("side-name").forEach((place, side) => place.replaceChildren(nameOf([a, b][side].cell)));
      [scores, settings, recalls, answers].forEach((part) => part(a, b));
      find("side-link")[0].setAttribute("href", address());
      changed();
    }
    function follow() {
      if (!location.hash.startsWith(PREFIX)) return;
      const ids = location.hash.slice(PREFIX.length).split(",").map((id) => { try { return decodeURIComponent(id); } catch { return id; } });
      const found = ids.map(named), lacking = ids.filter((_, place) => found[place] === null);
      message.textContent = ids.length !== 2 ? "The address has to name two: #compare=ID,ID." : lacking.length ? `This page has no cell and no trial ${lacking.join(" and ")}.` : "";
      if (!message.textContent) { found.forEach(({ cell, row }, side) => choose(side, cell, row)); show(); }
      root.scrollIntoView();
    }
    function chosen() { message.textContent = ""; history.replaceState(null, "", address()); show(); }
    function draw(target) {
      const [a, b] = sides(), title = page.curves.measures[Number(measure.value)];
      const there = [a, b].flatMap(({ cell }, side) => page.curves.curves.filter((curve) => curve.cell === cell && (side === 0 || cell !== a.cell)));
      return curves.draw(target, cells, there, Number(measure.value), title, (curve) => `${curve.cell === a.cell ? "A" : "B"}: ${figures.nameOf(cells, cells.cells[curve.cell])}`);
    }

    const seen = new IntersectionObserver(([{ isIntersecting }]) => { if (isIntersecting) { seen.disconnect(); ofCell.forEach(listCells); root.dataset.listed = "yes"; } }, { rootMargin: "400px" });
    seen.observe(root);
    ofCell.forEach((select, side) => { select.addEventListener("change", () => { choose(side, Number(select.value)); chosen(); }); });
    ofTrial.forEach((select) => select.addEventListener("change", chosen));
    if (measure) { measure.append(...page.curves.measures.map((title, place) => new Option(title, place))); measure.addEventListener("change", changed); }
    const first = cells.cells.findIndex((cell) => cell.n > 0), best = Math.max(0, first);
    const next = cells.cells.findIndex((cell, place) => place !== best && cell.at[0] === cells.cells[best].at[0]);
    choose(0, best);
    choose(1, next < 0 ? (best ? 0 : 1) : next);
    show();
    addEventListener("hashchange", follow);
    return { draw, follow };
  }
  return { open };
})();
