// Shows one look after another as the server tells them. Whatever comes out of a file becomes a text, never markup.
(() => {
  const ROWS = 100;
  const ORDER = ["completed", "skipped", "diverged", "timed_out", "failed", "out_of_memory", "cancelled", "running", "pending"];
  const at = (id) => document.getElementById(id);
  const words = (status) => status.replaceAll("_", " ");
  let told = null, heard = 0, chosen = [];

  const duration = (seconds) => {
    const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
  };
  const since = (time) => duration(Math.max(0, (new Date(told.at) - new Date(time)) / 1000));
  const count = (number) => number.toLocaleString("en");

  // slots keep their places, and with them the colours of their curves
  function read(text) {
    const found = JSON.parse(text), order = (one) => `${one.host} ${one.slot}`;
    found.slots.sort((a, b) => order(a).localeCompare(order(b), "en", { numeric: true }));
    return found;
  }

  // a part of the page is made anew where what it shows has changed: what somebody has marked there stays marked
  const shown = new Map();
  function show(place, content, make) {
    const text = JSON.stringify([content, chosen, document.documentElement.dataset.theme]);
    if (shown.get(place) === text) return;
    shown.set(place, text);
    make(place);
  }

  // the axes that tell trials apart, and what a trial is called on them
  const varying = () => told.axes.map((axis, place) => place).filter((place) => told.axes[place].levels.length > 1);
  const named = (levels, name, first = 0) => [...varying().filter((place) => place >= first).map((place) => levels[place]), name].filter(Boolean).join(" · ") || levels[1];
  const within = (levels) => levels.every((level, place) => !chosen[place] || chosen[place] === level);
  const levelsOf = (cell) => cell.levels.map((level, place) => told.axes[place].levels[level]);

  const cell = (kind, ...content) => look.element("td", { class: kind }, ...content);
  function table(root, heads, rows) {
    const [head, body] = [root.querySelector("thead"), root.querySelector("tbody")];
    head.replaceChildren(look.element("tr", {}, ...heads.map(([title, kind]) => look.element("th", { scope: "col", class: kind }, title))));
    body.replaceChildren(...rows.map((fields) => look.element("tr", {}, ...fields)));
  }
  function section(root, empty, filled) {
    const place = root.querySelector(".empty");
    place.hidden = filled;
    place.textContent = filled ? "" : empty;
    for (const scroll of root.querySelectorAll(":scope > .scroll")) scroll.hidden = !filled;
  }
  const filtered = () => (chosen.some(Boolean) ? " within the filters" : "");

  function progress() {
    const { counts } = told, order = ORDER.filter((status) => counts.by_status[status]);
    show(at("done"), counts, (place) => {
      let from = 0;
      const parts = order.filter((status) => status !== "pending").map((status) => {
        const wide = (100 * counts.by_status[status]) / counts.planned;
        const part = growing.drawn("rect", { class: status, x: from, y: 0, width: wide, height: 1 }, growing.drawn("title", {}, `${count(counts.by_status[status])} ${words(status)}`));
        from += wide;
        return part;
      });
      place.replaceChildren(growing.drawn("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", role: "img", "aria-label": `${counts.done} of ${counts.planned} trials done` }, ...parts));
    });
    const share = counts.planned ? Math.floor((100 * counts.done) / counts.planned) : 0;
    const left = told.eta_seconds === null || told.state !== "running" ? "" : `, about ${duration(told.eta_seconds)} left`;
    at("headline").replaceChildren(`${count(counts.done)} of ${count(counts.planned)} trials done`, look.element("span", {}, ` (${share} %)${left}`));
    document.title = `${share} % ${told.sweep}`;
    show(at("counts"), counts, (place) => {
      const items = order.map((status) => look.element("li", {}, look.element("span", { class: `dot ${status}` }), `${count(counts.by_status[status])} ${words(status)}`));
      if (counts.tuning) items.push(look.element("li", {}, `${count(counts.tuning)} of them for tuning`));
      if (counts.unplanned) items.push(look.element("li", {}, `and ${count(counts.unplanned)} from earlier grids, kept`));
      place.replaceChildren(...items);
    });
    show(at("notes"), told.notes, (place) => place.replaceChildren(...told.notes.map((note) => look.element("li", {}, note))));
  }

  function filters() {
    const axes = varying();
    at("filters").hidden = !axes.length;
    if (chosen.length !== told.axes.length) chosen = told.axes.map(() => null);
    chosen = chosen.map((level, place) => (told.axes[place].levels.includes(level) ? level : null));
    if (shown.get(at("filters")) !== JSON.stringify(told.axes)) {
      shown.set(at("filters"), JSON.stringify(told.axes));
      const selects = axes.map((place) => {
        const axis = told.axes[place], select = look.element("select", {});
        const option = (level) => { const made = new Option(look.cut(level ?? "all", 60), level ?? ""); made.title = level ?? ""; return made; };
        select.append(option(null), ...axis.levels.map(option));
        select.value = chosen[place] ?? "";
        select.addEventListener("change", () => { chosen[place] = select.value || null; draw(); });
        return look.element("label", {}, `${axis.name} `, select);
      });
      const reset = look.element("button", { type: "button" }, "All");
      reset.addEventListener("click", () => { chosen.fill(null); for (const select of at("filters").querySelectorAll("select")) select.value = ""; draw(); });
      at("filters").replaceChildren("Show only", ...selects, reset, look.element("output", { "aria-live": "polite" }));
    }
    const all = told.boards.flatMap((board) => board.cells), kept = all.filter((one) => within(levelsOf(one))).length;
    const output = at("filters").querySelector("output");
    if (output) output.textContent = chosen.some(Boolean) ? `${count(kept)} of ${count(all.length)} cells` : `${count(all.length)} ${all.length === 1 ? "cell" : "cells"} with a score`;
  }

  function bar(slot) {
    const wide = slot.epochs ? Math.min(100, (100 * slot.epoch) / slot.epochs) : 0;
    return growing.drawn("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      growing.drawn("rect", { x: 0, y: 0, width: 100, height: 8 }), growing.drawn("rect", { class: "part", x: 0, y: 0, width: wide, height: 8 }));
  }
  function slots() {
    const latest = new Map(told.curves.map((curve) => [curve.trial_id, curve.values.filter((value) => value !== null).at(-1)]));
    const there = told.slots.filter((slot) => within(slot.levels));
    const none = told.state !== "running" ? "No sweep runs here." : told.slots.length ? `No slot runs a trial${filtered()}.`
      : told.counts.done ? "No slot is running a trial right now." : "No trial has begun yet: slots are starting.";
    show(at("slots"), [there, told.slots_left_out, none, [...latest], told.at], (root) => {
      section(root, none, there.length > 0);
      const hosts = new Set(told.slots.map((slot) => slot.host)).size > 1;
      table(root, [["slot", ""], ["score", "figure"], ["epoch", "figure"], ["trial", ""], ["", ""], ["phase", ""], ["for", "figure"], ["id", ""]], there.map((slot) => [
        cell("label", hosts ? `${slot.host} ${slot.slot}` : slot.slot),
        cell("figure", latest.get(slot.trial_id) === undefined ? "" : look.figure(latest.get(slot.trial_id))),
        cell("figure", slot.epochs === null ? String(slot.epoch) : `${slot.epoch} / ${slot.epochs}`),
        cell("text trial", named(slot.levels, slot.name)),
        cell("", bar(slot)), cell("status", slot.phase), cell("figure", since(slot.since)), cell("id", slot.trial_id),
      ]));
      if (told.slots_left_out) root.querySelector("tbody").append(look.element("tr", {}, look.element("td", { colspan: "8" }, `and ${count(told.slots_left_out)} more`)));
    });
  }

  function curves() {
    const place = at("curves"), there = told.curves.filter((curve) => curve.values.length && within(curve.levels));
    const room = Math.max(260, place.clientWidth - 46);
    show(place, [there, room, told.slots.length], () => {
      section(place, told.curves.length ? `No curve is${filtered() || " there yet"}.` : "No epoch has ended yet.", there.length > 0);
      const figures = told.boards.map((board) => {
        const own = there.filter((curve) => curve.levels[0] === board.dataset);
        if (!own.length) return null;
        const epochs = Math.max(0, ...told.slots.filter((slot) => slot.levels[0] === board.dataset).map((slot) => slot.epochs ?? 0));
        const many = told.boards.length > 1 ? `${board.dataset}: ` : "";
        const color = (curve) => look.SERIES[Math.max(0, told.slots.findIndex((slot) => slot.trial_id === curve.trial_id)) % look.SERIES.length];
        const lines = own.map((curve) => ({ ...curve, color: color(curve), label: curve.grows ? named(curve.levels, curve.name, 1) : `best: ${named(curve.levels, "", 1)}` }));
        const measure = board.measure.epoch === "val_loss" ? "loss" : board.measure.title;
        return growing.figure(room, lines, epochs, `${many}validation ${measure}`);
      });
      place.querySelector(".figures").replaceChildren(...figures.filter(Boolean));
    });
  }

  function boards() {
    const place = at("leaderboard");
    const there = told.boards.map((board) => ({ board, cells: board.cells.map((one, rank) => ({ ...one, rank: rank + 1, labels: levelsOf(one) })).filter((one) => within(one.labels)) }));
    show(place, there, () => {
      section(place, `No cell${filtered()} has a completed trial yet.`, there.some(({ cells }) => cells.length));
      place.querySelector(".boards").replaceChildren(...there.filter(({ cells }) => cells.length).map(({ board, cells }) => {
        const axes = varying().filter((axis) => axis > 0), test = board.measure.split === "test";
        const said = [`${told.boards.length > 1 ? `${board.dataset}: ` : ""}ranked by validation ${board.measure.title}, ${board.higher_is_better ? "the highest" : "the lowest"} first`, "means over completed trials"];
        if (board.measure.beside.length) said.push(`some trials select by ${board.measure.beside.join(", ")}`);
        if (board.left_out) said.push(`${count(board.left_out)} more cells are not shown`);
        if (!test) said.push("test scores are shown once all trials have ended");
        const root = look.element("figure", {}, look.element("figcaption", {}, said.join("; ")),
          look.element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Leaderboard of ${board.dataset}` }, look.element("table", {}, look.element("thead"), look.element("tbody"))));
        const heads = [["place", "place"], ["validation", "figure"], ...(test ? [["test", "figure"]] : []), ...axes.map((axis) => [told.axes[axis].name, ""]), ["done", "figure"], ["broken", "figure"]];
        table(root, heads, cells.slice(0, ROWS).map((one) => [
          cell("place", String(one.rank)), cell("figure", look.figure(one.validation)), ...(test ? [cell("figure", look.figure(one.test))] : []),
          ...axes.map((axis) => cell("text", one.labels[axis])), cell("figure", `${one.completed} / ${one.trials}`), cell("figure", one.broken ? String(one.broken) : ""),
        ]));
        if (cells.length > ROWS) root.append(look.element("p", { class: "note" }, `and ${count(cells.length - ROWS)} cells more`));
        return root;
      }));
    });
  }

  function failures() {
    const place = at("failures"), there = told.failures.filter((one) => within(one.levels));
    show(place, there, () => {
      section(place, `No trial has failed${filtered()}.`, there.length > 0);
      table(place, [["status", ""], ["trial", ""], ["reason", ""], ["id", ""]], there.map((one) => [
        cell("status", look.element("span", { class: `dot ${one.status}` }), words(one.status)), cell("text trial", named(one.levels, one.name)), cell("text reason", one.reason), cell("id", one.trial_id),
      ]));
    });
  }

  function draw() {
    if (told === null) return;
    at("results").textContent = told.results;
    at("sweep").textContent = told.sweep;
    const there = told.counts !== null;
    at("there").hidden = !there;
    at("problem").hidden = there;
    at("problem").querySelector("p").textContent = there ? "" : told.message;
    if (!there) { document.title = `${told.sweep}: ${words(told.state)}`; return; }
    filters(); progress(); slots(); curves(); boards(); failures();
  }

  const STATES = { absent: "no results yet", removed: "the results are gone", unreadable: "the results cannot be read", ended: "every trial has ended" };
  function state(connected) {
    const line = at("state"), age = (Date.now() - heard) / 1000;
    document.documentElement.classList.toggle("stale", !connected);
    line.dataset.state = connected && told ? told.state : "lost";
    const what = told === null ? "connecting" : STATES[told.state] ?? told.message;
    line.textContent = connected ? what : `not connected: \`orch watch\` has ended there, or is out of reach; ${told === null ? "nothing is shown" : `what is shown is ${duration(age)} old`}`;
  }

  let connected = true;
  const stream = new EventSource("events");
  stream.addEventListener("message", (event) => {
    told = read(event.data); heard = Date.now(); connected = true;
    draw(); state(true);
    document.documentElement.dataset.ready = "yes";
  });
  stream.addEventListener("open", () => { connected = true; state(true); });
  stream.addEventListener("error", () => { connected = false; state(false); });
  setInterval(() => { if (!connected) state(false); }, 1000);
  look.whenLooksChange(draw);
  addEventListener("resize", draw);
})();
