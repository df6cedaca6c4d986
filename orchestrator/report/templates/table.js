// Tables that the reader sorts and filters.
const tables = (() => {
  const ROWS = 100;
  const NUMERIC = ["number", "ratio", "seconds", "count", "label", "interval"];

  function shown(value, kind) {
    if (value === null) return "";
    if (kind === "interval") return value[0] === null ? "" : look.figure(value[0]) + (value[1] === null ? "" : ` [${look.figure(value[1])}, ${look.figure(value[2])}]`);
    if (kind === "ratio") return value.toFixed(2);
    if (kind === "seconds") return value.toFixed(value < 10 ? 2 : 1);
    if (kind === "number") return Math.abs(value) >= 100 ? value.toFixed(1) : Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(4) : value.toExponential(2);
    return kind === "count" ? value.toLocaleString("en") : String(value).replaceAll("_", kind === "status" ? " " : "_");
  }

  // What a value is sorted by; a place such as =1 by its number
  function key(value, kind) {
    if (kind === "interval") return value[0];
    if (kind === "place") return value === "–" ? null : Number(value.replace("=", ""));
    return value;
  }

  function range(grid, at) {
    const ends = [...grid.rows, ...grid.below].flatMap((row) => row[at].filter((value) => value !== null));
    return ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
  }

  function cell(value, column, ends) {
    const field = document.createElement("td");
    const words = String(value).length > 34 ? "long" : "label";
    field.className = NUMERIC.includes(column.kind) ? "figure" : { status: "status", place: "place" }[column.kind] ?? (column.title.endsWith("trial") ? "id" : words);
    if (column.kind === "status") field.append(look.element("span", { class: `dot ${value}` }));
    if (column.kind === "place" && value === "=1") field.classList.add("tied");
    // the scales of all rows stand below each other, whatever the length of the text beside them
    if (column.kind === "interval" && value[0] !== null) field.append(look.element("span", { class: "reading" }, look.whisker(value, ends), look.element("span", {}, shown(value, column.kind))));
    else field.append(shown(value, column.kind));
    return field;
  }

  // matches: whether a row, as title to value, is within the filters of the page
  function table(root, grid, matches) {
    // what a row is found by, made when somebody looks for something
    let words = null;
    const wordsOf = (row) => row.map((value, at) => `${value ?? ""} ${shown(value, grid.columns[at].kind)}`).join(" ").toLowerCase();
    const says = (place, wanted) => { words ??= grid.rows.map(wordsOf); return wanted.every((word) => words[place].includes(word)); };
    const ends = grid.columns.map((column, at) => (column.kind === "interval" ? range(grid, at) : null));
    const titles = grid.columns.map((column) => column.title);
    const state = { sort: null, up: true, most: ROWS };
    const body = root.querySelector("tbody"), input = root.querySelector("input"), more = root.querySelector(".more");
    const heads = grid.columns.map((column, at) => {
      const head = look.element("th", { scope: "col" }), button = look.element("button", { type: "button" }, column.title);
      if (NUMERIC.includes(column.kind)) head.className = "figure";
      button.addEventListener("click", () => { state.up = state.sort === at ? !state.up : true; state.sort = at; fill(); });
      head.append(button);
      return head;
    });
    root.querySelector("thead").append(look.element("tr", {}, ...heads));
    const drawn = (row) => look.element("tr", {}, ...row.map((value, place) => cell(value, grid.columns[place], ends[place])));
    root.querySelector("tfoot").append(...grid.below.map(drawn));

    function compare(a, b) {
      const kind = grid.columns[state.sort].kind;
      const x = key(grid.rows[a][state.sort], kind), y = key(grid.rows[b][state.sort], kind);
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return (state.up ? order : -order) || a - b;
    }
    function fill() {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = grid.rows.flatMap((row, at) => ((!wanted.length || says(at, wanted)) && matches(titles, row) ? [at] : []));
      if (state.sort !== null) found.sort(compare);
      body.replaceChildren(...found.slice(0, state.most).map((at) => drawn(grid.rows[at])));
      heads.forEach((head, at) => (at === state.sort ? head.setAttribute("aria-sort", state.up ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
      more.hidden = found.length <= state.most;
      root.querySelector("output").textContent = `${found.length.toLocaleString("en")} of ${grid.rows.length.toLocaleString("en")} rows`;
    }
    input.addEventListener("input", () => { state.most = ROWS; fill(); });
    more.addEventListener("click", () => { state.most += 5 * ROWS; fill(); });
    fill();
    return fill;
  }
  return { table, shown };
})();
