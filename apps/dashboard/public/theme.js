// Runs before the first paint, so that a chosen theme never flashes. The content security policy admits no inline script.
try {
  const theme = localStorage.getItem("branchward.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused to this page: the system's theme holds.
}
