// Tell the page around this panel how high it is, so that it needs no scroll bar of its own.
"use strict";

new ResizeObserver(() => {
  parent.postMessage({ panelHeight: document.documentElement.getBoundingClientRect().height }, "*");
}).observe(document.documentElement);
