import { type Browser, chromium, type Page } from "playwright-core";

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATIENCE_MS = 30_000;

/** Tabs of one browser, each with its own storage, so that each is another player. */
export class Tabs {
  /** What the tabs complained about: errors and warnings in their consoles, and uncaught errors. */
  readonly complaints: string[] = [];
  private readonly browser: Browser;

  private constructor(browser: Browser) {
    this.browser = browser;
  }

  static async launch(): Promise<Tabs> {
    const executablePath = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";
    return new Tabs(await chromium.launch({ executablePath, args: ARGUMENTS }));
  }

  async open(url: string): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 900, height: 600 } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(`${page.url()}: ${error.stack}`));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()))
        this.complaints.push(`${page.url()}: ${message.text()}`);
    });
    await page.goto(url);
    return page;
  }

  async close(page: Page): Promise<void> {
    await page.context().close();
  }

  async closeAll(): Promise<void> {
    await this.browser.close();
  }
}
