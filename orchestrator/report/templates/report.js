// Puts figures and tables into the page, and keeps them to what the reader's filters let through.
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const { cells } = page;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const varying = cells.axes.map((axis, at) => at).filter((at) => at > 0 && cells.axes[at].levels.length > 1);
  const axes = varying.length ? varying : [1];

  // filters: the level that is chosen of each axis, or null for all
  const chosen = cells.axes.map(() => null);
  const within = (cell) => chosen.every((level, axis) => level === null || cell.at[axis] === level);
  // a board has no column for an axis of which its data set knows one level
  const rowWithin = (place) => (titles, row) => chosen.every((level, axis) => {
    const at = titles.indexOf(cells.axes[axis].name);
    if (level === null || (at < 0 && place === null)) return true;
    return at < 0 ? cells.cells.some((cell) => cell.at[0] === place && cell.at[axis] === level) : row[at] === cells.axes[axis].levels[level];
  });
  const datasetOf = (root) => { const section = root.closest("[data-dataset]"); return section ? Number(section.dataset.dataset) : null; };
  const ofDataset = (place) => cells.cells.filter((cell) => cell.at[0] === place && within(cell));

  const option = (value, text) => { const made = new Option(look.cut(text, 60), value); made.title = text; return made; };
  const control = (name) => document.querySelector(`[data-control="${name}"]`);
  function offer(name, choices, first) {
    const select = control(name);
    if (!select) return;
    select.append(...choices.map(([value, text]) => option(value, text)));
    if (first !== undefined) select.value = String(first);
    select.addEventListener("change", draw);
  }
  const axisName = (at) => [at, cells.axes[at].name];
  offer("heat-rows", axes.map(axisName), axes[0]);
  const others = axes.filter((at) => at !== axes[0]);
  const across = [...axes.map(axisName), ...(others.length > 1 ? [[others.join(","), others.map((at) => cells.axes[at].name).join(" and ")]] : [])];
  offer("heat-columns", across, others.length ? (look.narrow() ? others[0] : others.join(",")) : axes[0]);
  offer("heat-value", Object.entries(figures.VALUES).map(([name, [title]]) => [name, title]));
  offer("curves-measure", page.curves.measures.map((title, at) => [at, title]));
  offer("curves-shown", Object.entries(curves.SHOWN).map(([name, [title]]) => [name, title]));
  offer("gap-axis", axes.map(axisName), axes.at(-1));
  offer("gap-color", axes.map(axisName), axes[0]);
  offer("costs-cost", cells.costs.map(({ title }, at) => [at, title]));
  offer("costs-color", axes.map(axisName), axes[0]);

  const places = (name) => control(name).value.split(",").map(Number);
  const KINDS = {
    heat(target, at) { return figures.heatMap(target, cells, ofDataset(at), cells.datasets[at], places("heat-rows"), places("heat-columns"), control("heat-value").value); },
    datasets(target) { return figures.heatMap(target, cells, cells.cells.filter(within), cells.datasets[0], places("heat-rows"), [0], control("heat-value").value); },
    curves(target, at) {
      const measure = Number(control("curves-measure").value);
      const there = page.curves.curves.filter((curve) => { const cell = cells.cells[curve.cell]; return cell && cell.at[0] === at && within(cell) && curve.lines[measure]; });
      return curves.draw(target, cells, curves.SHOWN[control("curves-shown").value][1](there), measure, page.curves.measures[measure]);
    },
    confusion(target, at) { const item = shownCell(at); return item ? figures.confusion(target, page.breakdowns.classes[at], item) : look.nothing(target, "No cell is within the filters."); },
    roc(target, at) { const item = shownCell(at); return item ? figures.roc(target, page.breakdowns.classes[at], page.breakdowns.rates, item) : look.nothing(target, ""); },
    classes(target, at) { const item = shownCell(at); return item ? classTable(look).draw(target, page.breakdowns.classes[at], item) : look.nothing(target, "No cell is within the filters."); },
    gap(target, at) { return figures.gap(target, cells, ofDataset(at), cells.datasets[at], Number(control("gap-axis").value), Number(control("gap-color").value)); },
    costs(target, at) { return figures.costs(target, cells, ofDataset(at), cells.datasets[at], Number(control("costs-cost").value), Number(control("costs-color").value)); },
    "side-by-side"(target) { return compared.draw(target); },
    effects(target, at) { return figures.effects(target, page.effects[at]); },
    ranks(target, at) { return figures.ranks(target, page.ranks[at]); },
    tuning(target, at) {
      const figure = page.tuning.figures[at];
      return tuning.draw(target, figure, tuning.choices(figure)[document.querySelector(`[data-tuning-choice="${at}"]`).selectedIndex][1]);
    },
  };
  const tuning = tuningFigures(look);
  const shownCell = (at) => page.breakdowns.cells.find((item) => String(item.cell) === document.querySelector(`[data-cell-choice="${at}"]`).value);

  function fillCellChoices() {
    for (const select of all("[data-cell-choice]")) {
      const before = select.value, at = Number(select.dataset.cellChoice);
      const there = page.breakdowns.cells.filter((item) => cells.cells[item.cell].at[0] === at && within(cells.cells[item.cell]));
      select.replaceChildren(...there.map((item) => option(item.cell, figures.nameOf(cells, cells.cells[item.cell]))));
      if (there.some((item) => String(item.cell) === before)) select.value = before;
    }
  }

  // a figure is drawn when it comes into view: a page of many opens at once
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    const target = entry.target;
    target.inView = entry.isIntersecting;
    if (target.inView && target.stale) render(target);
  }), { rootMargin: "400px" });
  function render(target) {
    bringLibrary();
    target.stale = false;
    if (target.dataset.nothing) { delete target.dataset.nothing; target.textContent = ""; }
    KINDS[target.dataset.figure](target, Number(target.dataset.at));
  }
  function draw(everything = false) {
    for (const target of all("[data-figure]")) {
      if (everything === true || target.inView) render(target);
      else target.stale = true;
    }
  }

  const fills = all("[data-table]").map((root) => tables.table(root, root.dataset.table.split(".").reduce((part, name) => part[name], page), rowWithin(datasetOf(root))));
  function filter() {
    for (const section of all("[data-dataset]")) section.hidden = chosen[0] !== null && Number(section.dataset.dataset) !== chosen[0];
    const words = chosen.flatMap((level, axis) => (level === null ? [] : [cells.axes[axis].levels[level]]));
    document.querySelector("[data-filtered]").textContent = words.length ? `${cells.cells.filter(within).length} of ${cells.cells.length} cells` : "all cells";
    fillCellChoices();
    fills.forEach((fill) => fill());
    draw();
  }
  for (const select of all("[data-filter]")) {
    const axis = Number(select.dataset.filter);
    select.append(option("", "all"), ...cells.axes[axis].levels.map((level, at) => option(at, level)));
    select.addEventListener("change", () => { chosen[axis] = select.value === "" ? null : Number(select.value); filter(); });
  }
  // what is jumped to stands below the filters, which take more rows where there is less room
  const filters = document.querySelector(".filters");
  if (filters) new ResizeObserver(() => document.documentElement.style.setProperty("--filters", `${filters.offsetHeight}px`)).observe(filters);
  const reset = document.querySelector("[data-reset]");
  if (reset) reset.addEventListener("click", () => { chosen.fill(null); all("[data-filter]").forEach((select) => { select.value = ""; }); filter(); });
  for (const select of all("[data-cell-choice]")) select.addEventListener("change", draw);
  for (const select of all("[data-tuning-choice]")) {
    select.append(...tuning.choices(page.tuning.figures[select.dataset.tuningChoice]).map(([name]) => new Option(name)));
    select.addEventListener("change", draw);
  }
  for (const place of all("[data-claim]")) {
    const claim = page.claims.claims[place.dataset.claim], ends = [claim.value, claim.low, claim.high, claim.bound, 0].filter((value) => value !== null);
    if (claim.value !== null) place.append(look.whisker([claim.value, claim.low, claim.high], [Math.min(...ends), Math.max(...ends)], claim.bound));
  }
  look.whenLooksChange(draw);
  filter();
  const comparing = document.getElementById("side-by-side"), compared = comparing && sideBySide.open(page, comparing, draw);
  all("[data-figure]").forEach((target) => { target.stale = true; seen.observe(target); });
  if (compared) compared.follow();
  document.documentElement.dataset.ready = "yes";
})();
