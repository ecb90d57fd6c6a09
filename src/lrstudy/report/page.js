// Hover over a curve: its name and values. Click on a field of the heat map: the curves of its cell.
"use strict";
(() => {
  const tip = document.body.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.hidden = true;
  const MAX_DISTANCE = 14; // in the units of the figure
  const number = (value) => (value === 0 ? "0" : Number(value.toPrecision(4)).toString());

  // The points of a line, from the path that matplotlib has drawn.
  const points = new WeakMap();
  function pointsOf(curve) {
    if (!points.has(curve)) {
      const numbers = (curve.querySelector("path")?.getAttribute("d") ?? "").match(/-?[\d.]+(?:e-?\d+)?/g) ?? [];
      points.set(curve, Array.from({ length: numbers.length >> 1 }, (_, i) => [+numbers[2 * i], +numbers[2 * i + 1]]));
    }
    return points.get(curve);
  }
  function value(position, from, to, [low, high, scale]) {
    const part = (position - from) / (to - from);
    return scale === "log" ? low * (high / low) ** part : low + (high - low) * part;
  }
  function nearest(svg, x, y) {
    let best = null;
    for (const curve of svg.querySelectorAll("[data-curve]:not(.dim)")) {
      for (const [px, py] of pointsOf(curve)) {
        const distance = Math.hypot(px - x, py - y);
        if (distance < (best?.distance ?? MAX_DISTANCE)) best = { curve, px, py, distance };
      }
    }
    return best;
  }
  function leave(svg) {
    tip.hidden = true;
    svg.querySelectorAll(".hot").forEach((curve) => curve.classList.remove("hot"));
  }
  function hover(event) {
    const svg = event.currentTarget;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    leave(svg);
    const found = nearest(svg, point.x, point.y);
    if (!found) return;
    const axes = JSON.parse(svg.dataset.axes).find(
      ({ box }) => box[0] - 1 <= found.px && found.px <= box[2] + 1 && box[1] - 1 <= found.py && found.py <= box[3] + 1
    );
    if (!axes) return;
    const [left, top, right, bottom] = axes.box;
    const [cell, part] = found.curve.dataset.curve.split("|");
    const x = value(found.px, left, right, axes.x), y = value(found.py, bottom, top, axes.y);
    tip.textContent = `${cell}, ${part}: ${number(y)} at ${axes.name} ${number(x)}`;
    tip.hidden = false;
    const width = tip.offsetWidth;
    tip.style.left = `${Math.max(4, Math.min(event.pageX + 12, scrollX + innerWidth - width - 8))}px`;
    tip.style.top = `${event.pageY + 14}px`;
    found.curve.classList.add("hot");
  }
  function watch(svg) {
    svg.addEventListener("pointermove", hover);
    svg.addEventListener("pointerleave", () => leave(svg));
  }
  document.querySelectorAll("svg[data-axes]").forEach(watch);

  // Show a cell's curves below its heat map; without this script the field is a link to the figure of its optimizer.
  function show(event) {
    const link = event.currentTarget;
    const source = document.getElementById(link.hash.slice(1));
    const curves = [...(source?.querySelectorAll("[data-curve]") ?? [])];
    if (!curves.some((curve) => curve.dataset.curve.startsWith(`${link.dataset.cell}|`))) return;
    event.preventDefault();
    const place = link.closest(".heat-map-block").querySelector(".cell-curves");
    const copy = source.cloneNode(true);
    copy.removeAttribute("id");
    for (const curve of copy.querySelectorAll("[data-curve]"))
      curve.classList.toggle("dim", !curve.dataset.curve.startsWith(`${link.dataset.cell}|`));
    const heading = document.createElement("p");
    heading.textContent = `${link.dataset.cell}: ${link.dataset.words}`;
    const close = document.createElement("button");
    close.textContent = "Close";
    close.onclick = () => { place.replaceChildren(); link.focus(); };
    place.replaceChildren(heading, copy, close);
    watch(copy);
    place.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
  document.querySelectorAll("a[data-cell]").forEach((link) => link.addEventListener("click", show));
})();
