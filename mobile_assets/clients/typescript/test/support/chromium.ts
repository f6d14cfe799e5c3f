/** A headless browser that opens one page; it is killed with the test. */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Returns the command of a browser, or null where there is none. */
export function findBrowser(): string | null {
  const isThere = (name: string): boolean => spawnSync(name, ["--version"]).status === 0;
  return [process.env["CHROMIUM"] ?? "", ...NAMES].find((name) => name && isThere(name)) ?? null;
}

export function openPage(t: TestContext, browser: string, url: string): void {
  const profile = mkdtempSync(join(tmpdir(), "ghostlens-browser-"));
  // Containers have no user namespaces and little shared memory.
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  const quiet = ["--no-first-run", "--disable-background-networking", `--user-data-dir=${profile}`];
  const child = spawn(browser, [...flags, ...quiet, url], { stdio: "ignore" });
  t.after(async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
}
