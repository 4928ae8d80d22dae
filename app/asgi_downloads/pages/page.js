"use strict";
// What a page is better with, and works without.

const each = (selector, act) => document.querySelectorAll(selector).forEach(act);
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

function size(bytes) {
  let unit = 0;
  for (; bytes >= 999.5 && unit < UNITS.length - 1; unit++) bytes /= 1000;
  const style = { style: "unit", unit: UNITS[unit], unitDisplay: unit ? "short" : "long", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(undefined, style).format(bytes);
}

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const number = new Intl.NumberFormat();
each("time", (time) => { time.textContent = date.format(new Date(time.dateTime)); });
each("data.size", (data) => { data.textContent = size(Number(data.value)); });
each("data.count", (data) => { data.textContent = number.format(Number(data.value)); });
each("[readonly]", (field) => {
  field.value = field.value.replace(/https?:\/\/[^/]+/, location.origin); // a proxy may have told another host or port
  field.addEventListener("focus", () => field.select());
});

const boxes = [...document.querySelectorAll("[name=m]")];
const all = document.getElementById("all");
const total = document.getElementById("total");

function count() {
  const ticked = boxes.filter((box) => box.checked);
  const bytes = ticked.reduce((sum, box) => sum + Number(box.dataset.size || 0), 0);
  const folders = ticked.filter((box) => box.value.endsWith("/")).length;
  const parts = [`${number.format(ticked.length)} selected`];
  if (ticked.length > folders) parts.push(size(bytes));
  if (folders) parts.push(folders === 1 ? "and a folder" : `and ${number.format(folders)} folders`);
  total.value = ticked.length ? parts.join(", ").replace(", and", " and") : "";
  all.checked = ticked.length > 0 && ticked.length === boxes.length;
  all.indeterminate = ticked.length > 0 && ticked.length < boxes.length;
}

if (all) {
  let last = null;
  all.hidden = false;
  all.addEventListener("change", () => { boxes.forEach((box) => { box.checked = all.checked; }); count(); });
  boxes.forEach((box) => box.addEventListener("click", (event) => {
    if (event.shiftKey && last) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((other) => { other.checked = box.checked; });
    }
    last = box;
    count();
  }));
  addEventListener("pageshow", count); // the way back restores ticks, not what was counted
}

const search = document.getElementById("q");
if (search) addEventListener("keydown", (event) => {
  const writing = event.target.matches("input:not([type=checkbox]), textarea");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
});

each("video, audio", (player) => {
  const key = `position ${location.pathname}`;
  const resume = document.getElementById("resume");
  const saved = Number(localStorage.getItem(key));
  if (saved > 5 && resume) {
    const clock = [Math.floor(saved / 60), Math.floor(saved % 60)];
    resume.textContent = `Continue at ${clock[0]}:${String(clock[1]).padStart(2, "0")}`;
    resume.hidden = false;
    resume.addEventListener("click", () => { player.currentTime = saved; player.play(); resume.hidden = true; });
  }
  player.addEventListener("timeupdate", () => {
    if (player.currentTime > 5) localStorage.setItem(key, String(player.currentTime));
  });
  player.addEventListener("ended", () => localStorage.removeItem(key));
});
