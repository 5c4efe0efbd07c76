// The reader's track is that of the last lesson that was opened, or the one chosen on the home page.
// Without this script every page can still be reached: both tracks are shown then.
(() => {
  "use strict";
  const root = document.documentElement;
  const LESSON = /(\/notebooks\/\w+\/\w+_)([a-z]+)((?:\.html)?(?:#.*)?)$/; // path, track, ending

  const stored = (write) => {
    try {
      if (write) localStorage.setItem("track", write);
      return localStorage.getItem("track");
    } catch {
      return write ?? null; // storage is forbidden: the choice lasts as long as the page
    }
  };

  const ofPage = LESSON.exec(location.pathname)?.[2];
  const choose = (track) => {
    if (!track) return;
    root.dataset.track = track; // site.css hides the other track's entries
    for (const button of document.querySelectorAll("button[data-choose]"))
      button.setAttribute("aria-pressed", String(button.dataset.choose === track));
    if (ofPage) return;
    // On pages that belong to no track, links to lessons lead to the reader's.
    for (const link of document.querySelectorAll("main a[href]:not([data-of])"))
      if (LESSON.test(link.href)) link.href = link.href.replace(LESSON, `$1${track}$3`);
  };

  // At once, before anything is painted; and again when the page's buttons and links are there.
  choose(stored(ofPage));
  document.addEventListener("DOMContentLoaded", () => {
    choose(stored());
    for (const button of document.querySelectorAll("button[data-choose]"))
      button.addEventListener("click", () => choose(stored(button.dataset.choose)));

    // The switch leads to the heading that is being read; both tracks have the same headings.
    const heading = () => {
      const sections = [...document.querySelectorAll("article section section[id]")];
      return sections.findLast((section) => section.getBoundingClientRect().top < 120)?.id ?? "";
    };
    for (const link of document.querySelectorAll(".track-switch a:not([aria-current])"))
      link.addEventListener("click", () => (link.hash = heading()));
  });
})();
