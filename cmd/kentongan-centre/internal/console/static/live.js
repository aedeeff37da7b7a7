// Keeps the page fresh: when /events says that something changed, the page is
// fetched again, and the parts marked data-live take the place of the old ones.
(function () {
  "use strict";
  var body = document.body, words = body.dataset;
  var offset = Date.parse(words.now) - Date.now(); // the centre's clock, not ours
  var busy = false, again = false;

  function and(n, unit) { return n ? " " + n + " " + unit : ""; }

  function ago(s) {
    if (s < 2) return words.justnow;
    var n = Math.floor, t;
    if (s < 60) t = n(s) + " " + words.uS;
    else if (s < 3600) t = n(s / 60) + " " + words.uM;
    else if (s < 86400) t = n(s / 3600) + " " + words.uH + and(n(s % 3600 / 60), words.uM);
    else t = n(s / 86400) + " " + words.uD + and(n(s % 86400 / 3600), words.uH);
    return t + " " + words.ago;
  }

  function tick() {
    document.querySelectorAll("time[data-ago]").forEach(function (el) {
      var text = ago((Date.now() + offset - Date.parse(el.dateTime)) / 1000);
      if (el.textContent !== text) el.textContent = text;
    });
  }

  // The clock on the wall, in WIB, which is 7 h ahead of UTC all year.
  function clock() {
    document.querySelectorAll("[data-clock]").forEach(function (el) {
      var at = new Date(Date.now() + offset + 7 * 3600000), sep = document.documentElement.lang === "en" ? ":" : ".";
      var two = function (n) { return (n < 10 ? "0" : "") + n; };
      el.textContent = el.textContent.replace(/\S+$/, [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(sep));
    });
  }

  function keys(root) {
    var seen = {};
    root.querySelectorAll("[data-key]").forEach(function (el) { seen[el.dataset.key] = el; });
    return seen;
  }

  // put replaces what differs, and marks and announces what is new.
  function put(fresh) {
    var before = keys(document);
    offset = Date.parse(fresh.body.dataset.now) - Date.now();
    document.querySelectorAll("[data-live]").forEach(function (old) {
      var now = fresh.querySelector('[data-live="' + old.dataset.live + '"]');
      if (!now || writing(old)) return;
      tickIn(now);
      if (old.innerHTML !== now.innerHTML || old.className !== now.className) {
        var focus = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
        var scroll = old.querySelector(".scroll"), x = scroll ? scroll.scrollLeft : 0;
        old.className = now.className;
        old.innerHTML = now.innerHTML;
        if (focus) { var a = old.querySelector('a[href="' + CSS.escape(focus) + '"]'); if (a) a.focus({ preventScroll: true }); }
        if (x) old.querySelector(".scroll").scrollLeft = x;
      }
    });
    var after = keys(document), said = [];
    Object.keys(after).forEach(function (k) {
      if (!before[k]) { after[k].classList.add("fresh"); said.push(after[k].dataset.say); }
    });
    if (said.length) document.getElementById("announce").textContent = words.new + ": " + said.slice(0, 3).join("; ");
  }

  // writing tells whether somebody is about to say something there: it is not
  // taken out of their hands.
  function writing(root) {
    var at = document.activeElement;
    return !!root.querySelector("details[open] form") || root.contains(at) && /^(INPUT|TEXTAREA)$/.test(at.tagName);
  }

  function tickIn(root) {
    root.querySelectorAll("time[data-ago]").forEach(function (el) {
      el.textContent = ago((Date.now() + offset - Date.parse(el.dateTime)) / 1000);
    });
  }

  function refresh() {
    if (busy) { again = true; return; }
    busy = true; again = false;
    fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store" })
      .then(function (r) { if (r.status === 401) location.reload(); // the session is over: to the log-in page
        return r.ok ? r.text() : Promise.reject(r.status); })
      .then(function (html) { put(new DOMParser().parseFromString(html, "text/html")); })
      .catch(function () { }) // the next event tries again
      .then(function () { busy = false; if (again) refresh(); });
  }

  function mark(on) {
    var el = document.getElementById("livemark");
    el.hidden = false;
    el.classList.toggle("off", !on);
  }

  // A browser comes back by itself after a broken connection, but not after an
  // answer that is no stream: "too many open pages", or a proxy's 502 while the
  // centre starts again.
  var first = true;
  function listen() {
    var source = new EventSource("/events");
    source.addEventListener("hello", function () { mark(true); if (!first) refresh(); first = false; });
    source.addEventListener("change", function () { if (!document.hidden) refresh(); else again = true; });
    source.onerror = function () {
      mark(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 4000 + 6000 * Math.random());
    };
  }
  // A page with nothing that changes by itself is not fetched again.
  if ("in" in words && document.querySelector('main [data-live]:not([data-live="link"])')) listen();
  document.addEventListener("visibilitychange", function () { if (!document.hidden && again) refresh(); });
  setInterval(function () { tick(); clock(); }, 1000);
  tick();
})();
