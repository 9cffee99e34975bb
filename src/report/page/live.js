// A served page asks whether its runs have gone on, and then loads itself again where the reader was.
"use strict";

const LOOK_MILLISECONDS = 2000;
const QUIET_MILLISECONDS = 4000;  // since the reader last did something: nothing is taken from under a hand

(async () => {
  const explorer = () => document.body.explorer;
  const kept = JSON.parse(sessionStorage.getItem("circuit-report") ?? "null");
  sessionStorage.removeItem("circuit-report");
  // What the reader has set, beside the explorer's own place: a slider at its end stays at the end.
  const controls = () => document.querySelectorAll("#change, #limit, #least, #fixed-scale, [data-from], [data-into], [data-state], #run-A, #step-A, #run-B, #step-B");
  const settings = () => [...controls()].map((c) => (c.type === "checkbox" ? c.checked : c.type === "range" && c.value === c.max ? null : c.value));
  const set = (values) => [...controls()].forEach((c, i) => {
    const value = values[i];
    if (value === undefined) return;
    if (c.type === "checkbox") c.checked = value; else c.value = value ?? c.max;
    c.dispatchEvent(new Event("input"));
    c.dispatchEvent(new Event("change"));
  });
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  let touched = -Infinity;
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "input"]) addEventListener(kind, () => { touched = performance.now(); }, { passive: true });
  while (document.body.dataset.state !== "ready") await wait(50);
  if (kept) {
    set(kept.settings);
    explorer()?.restore(kept);
    scrollTo(0, kept.scroll);
  }
  // A page that takes long to draw is not drawn all the time.
  const pause = Math.max(LOOK_MILLISECONDS, 4 * performance.now());
  const note = document.createElement("p");
  note.className = "live note";
  note.setAttribute("role", "status");
  document.querySelector("header").append(note);
  for (;;) {
    let now;
    try {
      const answer = await fetch("/state", { cache: "no-store" });
      if (!answer.ok) {
        note.textContent = "The run cannot be read just now; the page stays as it is.";
        await wait(pause);
        continue;
      }
      now = await answer.text();
    } catch {
      note.textContent = "The server has ended: the page stays as it is.";
      return;
    }
    note.textContent = now.includes(", running; ") ? "The run goes on; the page follows it." : "The run is not going on.";
    const quiet = performance.now() - touched > QUIET_MILLISECONDS && !explorer()?.timer && !document.querySelector("dialog");
    if (now !== document.body.dataset.runs && quiet && !document.hidden) {
      sessionStorage.setItem("circuit-report", JSON.stringify({ scroll: scrollY, settings: settings(), ...explorer()?.place() }));
      location.reload();
      return;
    }
    await wait(pause);
  }
})();
