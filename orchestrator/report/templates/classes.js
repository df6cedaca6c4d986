"use strict";
// The table under a confusion matrix: what a cell makes of each class, from the counts of all its seeds together.
const classTable = ({ element, figure }) => {
  const HEADS = ["class", "precision", "recall", "F1", "examples"];

  // As `classes` has them: of a class without test examples nothing is defined, and where it is never said precision is 0.
  function measures(counts, at) {
    const support = counts[at].reduce((sum, count) => sum + count, 0), said = counts.reduce((sum, row) => sum + row[at], 0), right = counts[at][at];
    return support ? [said ? right / said : 0, right / support, (2 * right) / (support + said), support] : [null, null, null, 0];
  }

  function draw(target, names, item) {
    const rows = names.map((name, at) => {
      const [precision, recall, f1, support] = measures(item.counts, at);
      const fields = [figure(precision), figure(recall), figure(f1), support.toLocaleString("en")];
      return element("tr", {}, element("td", {}, name), ...fields.map((text) => element("td", { class: "figure" }, text)));
    });
    const heads = HEADS.map((head, at) => element("th", { scope: "col", ...(at ? { class: "figure" } : {}) }, head));
    const caption = element("caption", {}, "Precision, recall, F1 and test examples of each class");
    target.replaceChildren(element("table", { class: "plain classes" }, caption, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  }

  return { draw };
};
