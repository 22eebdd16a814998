/** A page of a program: one answer, without anything from elsewhere, whose code and styles the browser checks by their hashes. */
import { createHash } from "node:crypto";
import parts from "./page-parts.html" with { type: "text" };

/** The place at which a page wants the styles and the script that the pages of all programs share. */
const PARTS_MARK = "<!-- parts -->";

/**
 * Returns a function that answers with `page`, a whole HTML document with `<!-- parts -->` in its head. The policy lets
 * the page run its own scripts and styles and reach its own server, and nothing else (Content Security Policy Level 3).
 */
export function pageAnswer(page: string): () => Response {
  // As a function: a dollar sign in the text has no meaning then.
  const html = page.replace(PARTS_MARK, () => parts as unknown as string);
  const headers = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": policyOf(html),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
  };
  return () => new Response(html, { headers });
}

function policyOf(html: string): string {
  const hashes = (tag: string): string =>
    [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"))]
      .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
      .join(" ");
  return [
    "default-src 'none'",
    `script-src ${hashes("script")}`,
    `style-src ${hashes("style")}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
