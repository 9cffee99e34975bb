// Elements, numbers, the tooltip, and canvases that are as sharp as the screen.
"use strict";

function element(parent, tag, attributes = {}, text = null) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}
function labelled(parent, text, tag, attributes) {
  const label = element(parent, "label", {}, `${text} `);
  return element(label, tag, attributes);
}
function choices(select, options, chosen) {
  select.replaceChildren();
  for (const [value, text] of options) element(select, "option", { value }, text);
  select.value = chosen;
}

const count = (n) => Math.round(n).toLocaleString("en");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
function number(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = value === 0 ? "0" : size >= 1e4 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(3);
  return text.replaceAll("-", "−");
}
const signed = (value) => (value > 0 ? "+" : "") + number(value);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

// The colours at hand, asked for once: a draw needs them thousands of times.
const palette = {
  read() {
    for (const name of ["card", "ink", "muted", "line", "faint", "accent", "positive", "negative", "strength", "c0", "c1", "c2", "c3", "c4", "c5"]) this[name] = cssValue(`--${name}`);
    this.font = getComputedStyle(document.body).fontFamily;
    const card = parseInt(this.card.slice(1), 16);
    this.ground = [card >> 16, (card >> 8) & 255, card & 255];
    this.strong = this.strength.split(",").map(Number);
  },
  // The colour of strength laid over a card.
  shade(opacity) { return `rgb(${this.ground.map((from, i) => Math.round(from + (this.strong[i] - from) * opacity)).join()})`; },
};

const tip = {
  show(text, { clientX, clientY }) {
    this.box ??= element(document.body, "div", { class: "tip", role: "tooltip", hidden: "" });
    this.box.textContent = text;
    this.box.hidden = false;
    const { offsetWidth, offsetHeight } = this.box;
    this.box.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - offsetWidth - 8))}px`;
    this.box.style.top = `${Math.max(4, Math.min(clientY + 14, innerHeight - offsetHeight - 8))}px`;
  },
  hide() { if (this.box) this.box.hidden = true; },
};

const MOST_PIXELS = 16e6;  // a larger canvas is drawn less sharply: some browsers have no more

// A canvas of width × height CSS pixels, cleared, its context scaled to them.
function prepare(canvas, width, height) {
  const ratio = Math.min(Math.max(1, devicePixelRatio), Math.sqrt(MOST_PIXELS / (width * height)));
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(w / width, 0, 0, h / height, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function positionIn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.x, y: event.clientY - box.y };
}
// Where on the screen a point of the canvas is, as an event would say.
function onScreen(canvas, x, y) {
  const box = canvas.getBoundingClientRect();
  return { clientX: box.x + x, clientY: box.y + y };
}
function isInView(part) {
  const { top, bottom } = part.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
// Calls draw whenever the stage's width changes.
function onWidth(stage, draw) {
  let width = stage.clientWidth;
  new ResizeObserver(() => {
    if (stage.clientWidth === width || stage.clientWidth === 0) return;
    width = stage.clientWidth;
    draw();
  }).observe(stage);
}
