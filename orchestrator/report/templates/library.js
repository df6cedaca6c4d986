// The library of the charts, which a browser reads when the first of them is drawn: that takes longer than all the rest of
// opening the page.
function bringLibrary() {
  const carried = document.getElementById("library");
  if (carried === null) return;
  carried.remove();
  const script = document.createElement("script");
  script.textContent = carried.textContent;
  document.head.append(script);
}
