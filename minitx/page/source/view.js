// What the reader has chosen: the prompt, the position, every slider. It lives in the address.
//
// The part of the address behind # holds every choice that differs from the default, so that a view
// can be sent to somebody. Panels ask for values by name and hear of changes once a frame.
"use strict";

class View {
  /**
   * @param {Object<string, string|number>} defaults the type of a value is that of its default
   * @param {Object<string, {min?: number, max?: number, is_whole?: boolean}>} limits of numbers
   * @param {Object<string, string|number>} first values that the page was written with
   */
  constructor(defaults, limits, first = {}) {
    this.defaults = defaults;
    this.limits = limits;
    this.defaults = { ...defaults, ...this.fitting(Object.entries(first)) };
    this.values = { ...this.defaults };
    this.listeners = [];
    this.changed = new Set();
    window.addEventListener("hashchange", () => this.readAddress());
    this.readAddress();
  }

  /** @returns {any} a number or a string, as its default is */
  get(name) {
    return this.values[name];
  }

  /** Change some values; listeners hear of it before the next picture is drawn. */
  change(changes) {
    for (const [name, value] of Object.entries(changes)) {
      if (this.values[name] === value) continue;
      this.values[name] = value;
      this.changed.add(name);
    }
    this.announce();
  }

  /** Announce a value as changed although it is not, because more is known about it. */
  refresh(name) {
    this.changed.add(name);
    this.announce();
  }

  /** Call listener(names) with the set of changed names, at most once a frame. */
  onChange(listener) {
    this.listeners.push(listener);
  }

  announce() {
    if (this.changed.size === 0 || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const changed = this.changed;
      this.changed = new Set();
      for (const listener of this.listeners) listener(changed);
      clearTimeout(this.writing); // browsers limit how often an address may change
      this.writing = setTimeout(() => this.writeAddress(), 200);
    });
  }

  /** Take the values from the address; names and values that do not fit are left out. */
  readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    this.change({ ...this.defaults, ...this.fitting(given) });
  }

  /** Those of the given pairs of name and value that the view has and that are possible. */
  fitting(given) {
    const fitting = {};
    for (const [name, value] of given) {
      const standard = this.defaults[name];
      if (typeof standard === "string") fitting[name] = String(value);
      if (typeof standard === "number" && Number.isFinite(Number(value))) {
        fitting[name] = this.within(name, Number(value));
      }
    }
    return fitting;
  }

  /** The nearest number that a value may be. */
  within(name, value) {
    const { min = -Infinity, max = Infinity, is_whole = false } = this.limits[name] || {};
    const inside = Math.min(max, Math.max(min, value));
    return is_whole ? Math.round(inside) : inside;
  }

  /** The address of this view. */
  address() {
    const fragment = new URLSearchParams();
    for (const [name, value] of Object.entries(this.values)) {
      if (value !== this.defaults[name]) fragment.set(name, String(value));
    }
    return location.href.split("#")[0] + (String(fragment) ? `#${fragment}` : "");
  }

  writeAddress() {
    try {
      history.replaceState(null, "", this.address());
    } catch (error) {
      if (!(error instanceof DOMException)) throw error; // a frame may have no address of its own
    }
  }
}
