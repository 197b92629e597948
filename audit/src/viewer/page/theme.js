// Light or dark, before anything is painted: the only script that is no module,
// because those run when the page is there already.
(() => {
  try {
    const { theme } = JSON.parse(localStorage.getItem("audit.preferences") ?? "{}");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage, or with nonsense in it, the system's choice stands.
  }
})();
