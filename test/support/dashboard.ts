/** The dashboard in Debian's Chromium, as a person meets it. */
import axe from "axe-core";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

const PATIENCE_MS = 20_000;

/** A page on which every violation of the content security policy and every uncaught error counts. */
export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong so far. */
  readonly faults: readonly string[];
}

export interface Dashboard extends AsyncDisposable {
  visit(path: string, options?: BrowserContextOptions): Promise<Visit>;
  visitSignedIn(path: string, options?: BrowserContextOptions): Promise<Visit>;
  signIn(page: Page): Promise<void>;
}

/** Needs Debian's `chromium`, and a dashboard that was built, which `npm test` sees to. */
export async function openDashboard({ url, adminToken }: { url: string; adminToken: string }): Promise<Dashboard> {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
  });
  const visit = (path: string, options: BrowserContextOptions = {}): Promise<Visit> =>
    openVisit(browser, path, { baseURL: url, ...options });

  async function signIn(page: Page): Promise<void> {
    await page.getByLabel("Admin token").fill(adminToken);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
    await page.locator('[data-live="live"]').first().waitFor({ state: "attached" });
  }

  return {
    visit,
    signIn,
    async visitSignedIn(path, options) {
      const visited = await visit(path, options);
      await signIn(visited.page);
      return visited;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function openVisit(browser: Browser, path: string, options: BrowserContextOptions): Promise<Visit> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => {
    faults.push(`a script of the data ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.exposeFunction("tellViolation", (text: string) => faults.push(text));
  await page.addInitScript(
    "document.addEventListener('securitypolicyviolation', (event) => window.tellViolation(event.violatedDirective + ' ' + event.blockedURI))",
  );
  await page.goto(path);
  return { page, faults, [Symbol.asyncDispose]: () => context.close() };
}

interface AxeViolation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Serious and critical violations of WCAG and of axe's own rules, with where they stand. */
export async function findAxeViolations(page: Page): Promise<readonly string[]> {
  // Evaluated by the browser's debugger, to which the content security policy does not apply.
  await page.evaluate(axe.source);
  const violations: readonly AxeViolation[] = await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then((results) => results.violations)",
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
