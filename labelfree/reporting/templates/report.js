(function () {
  "use strict";
  if (!window.Plotly) return;
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var narrow = window.matchMedia("(max-width: 640px)");
  function fitted(layout) {
    var own = JSON.parse(JSON.stringify(layout));
    if (narrow.matches) { own.annotations = own.annotations.filter(function (note) { return note.xref !== "paper"; }); own.margin.r = 12; own.margin.l = 38; }
    return own;
  }
  function draw(box) {
    var figure = figures[box.dataset.chart];
    var live = box.querySelector(".live");
    if (!figure || !live) return;
    Plotly.react(live, figure.data, fitted(figure.layout), { displayModeBar: false, responsive: true }).then(function () { box.classList.add("drawn"); });
  }
  var boxes = Array.prototype.slice.call(document.querySelectorAll("[data-chart]"));
  function all() { boxes.forEach(function (box) { if (box.classList.contains("drawn")) draw(box); }); }
  if (narrow.addEventListener) narrow.addEventListener("change", all);
  if (!window.IntersectionObserver) { boxes.forEach(draw); return; }
  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) { if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); } });
  }, { rootMargin: "400px" });
  boxes.forEach(function (box) { seen.observe(box); });
})();
