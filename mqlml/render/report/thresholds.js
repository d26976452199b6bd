"use strict";
// Moves thresholds along the stored curve. Everything stays on the page: no request is made.
(() => {
  const form = document.getElementById("what-if");
  const data = JSON.parse(document.getElementById("curve").textContent);
  const format = (value, digits = 0) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const percent = (value) => `${format(100 * value, 100 * value < 9.95 ? 1 : 0)}%`;
  const byWeeks = data.points.every((point) => point.per_week !== null);
  const followed = (at) => (byWeeks ? at.per_week : at.leads);
  const number = (name) => Math.max(0, Number(form.elements[name].value) || 0);
  const between = (show, at) => (at.low === null ? "" : ` (${show(at.low)} to ${show(at.high)})`);
  const put = (row, name, text) => { row.querySelector(`[data-part="${name}"]`).textContent = text; };

  function show() {
    const hours = number("hours"), gain = number("gain"), cost = number("cost");
    for (const slider of form.querySelectorAll("input[type=range]")) {
      const at = data.points[Number(slider.value)];
      const row = document.getElementById(`what-if-${slider.name}`);
      const leads = byWeeks ? `${format(at.per_week, 1)} a week` : `${format(at.leads)} in all`;
      slider.setAttribute("aria-valuetext", `from a probability of ${percent(at.threshold)}: ${leads}`);
      put(row, "threshold", percent(at.threshold));
      put(row, "leads", leads);
      put(row, "precision", at.precision === null ? "–" : percent(at.precision) + between(percent, at));
      put(row, "caught", `${format(at.converted)} of ${format(data.converted)}`);
      put(row, "missed", format(data.converted - at.converted));
      put(row, "hours", format(followed(at) * hours, 1));
      const worth = (share) => format(followed(at) * (share * gain - cost));
      put(row, "value", at.precision !== null && (gain || cost) ? worth(at.precision) + between(worth, at) : "–");
    }
  }

  // A lead that has the higher label has every lower one, so a slider pushes those that it passes.
  function keepOrder(moved) {
    const sliders = [...form.querySelectorAll("input[type=range]")];
    const place = sliders.indexOf(moved);
    sliders.forEach((slider, other) => {
      const at = Number(slider.value), limit = Number(moved.value);
      if ((other > place && at < limit) || (other < place && at > limit)) slider.value = String(limit);
    });
  }

  form.addEventListener("input", (event) => {
    if (event.target.type === "range") keepOrder(event.target);
    show();
  });
  form.addEventListener("click", (event) => {
    const wanted = Number(event.target.dataset.perWeek);
    if (!wanted) return;
    const slider = form.querySelector(`input[name="${event.target.dataset.label}"]`);
    const near = data.points.map((point) => Math.abs(point.per_week - wanted));
    slider.value = String(near.indexOf(Math.min(...near)));
    keepOrder(slider);
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
