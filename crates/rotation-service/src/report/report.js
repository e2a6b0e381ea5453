"use strict";

// The row that an address points to shows its evidence.
function openTarget() {
  const row = location.hash && document.getElementById(location.hash.slice(1));
  const details = row && row.querySelector("details");
  if (details) details.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

// Rows that mention every word stay.
const filter = document.getElementById("filter");
if (filter) {
  filter.closest(".filter").hidden = false;
  const rows = [...document.querySelectorAll(".episodes tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      if (!row.hidden) shown += 1;
    });
    document.getElementById("shown").textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
  });
}

// The values under the pointer, above each timeline.
for (const script of document.querySelectorAll(".readout-data")) {
  const data = JSON.parse(script.textContent);
  const figure = script.parentElement;
  const svg = figure.querySelector("svg");
  const box = document.createElement("div");
  box.className = "readout";
  box.hidden = true;
  figure.append(box);
  const pointer = document.createElementNS("http://www.w3.org/2000/svg", "line");
  pointer.setAttribute("class", "pointer");
  pointer.setAttribute("y1", "80");
  pointer.setAttribute("y2", String(svg.viewBox.baseVal.height));
  const exact = data.series.every((series) => series.exact);

  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
    const share = (x - data.left) / (data.right - data.left);
    box.hidden = share < 0 || share > 1;
    if (box.hidden) return pointer.remove();
    const day = Math.round(data.from + share * (data.to - data.from));
    const date = new Date(day * 86400000).toISOString();
    box.replaceChildren(date.slice(0, exact ? 10 : 7));
    for (const series of data.series) {
      const at = series.days.findLastIndex((other) => other <= day);
      if (at < 0) continue;
      const name = document.createElement("b");
      name.textContent = series.name;
      const value = series.values[at].toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
      box.append(name, ` ${value}`);
    }
    pointer.setAttribute("x1", String(x));
    pointer.setAttribute("x2", String(x));
    svg.append(pointer);
  });
  svg.addEventListener("pointerleave", () => {
    box.hidden = true;
    pointer.remove();
  });
}
