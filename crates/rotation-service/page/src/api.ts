// Asking the service. The token, where one is needed, is kept for this tab only.

const KEY = "rotation.token";

let memory = "";

export function token(): string {
  try {
    return sessionStorage.getItem(KEY) ?? memory;
  } catch {
    return memory;
  }
}

export function setToken(value: string): void {
  memory = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // Where the browser keeps nothing, it is asked for again after a reload.
  }
}

/** Why an answer is not one. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | null | undefined>;

/** Relative to the page, so that it may stand below a path of a proxy. */
export function address(path: string, query: Query = {}): URL {
  const url = new URL(`api/v1/${path}`, document.baseURI.replace(/[#?].*$/, ""));
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

export async function ask(url: URL, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const known = token();
  const all = known ? { ...headers, Authorization: `Bearer ${known}` } : headers;
  let answer: Response;
  try {
    answer = await fetch(url, { headers: all, cache: "no-store", credentials: "same-origin", signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "the service does not answer");
  }
  if (!answer.ok) throw new Problem(answer.status, await reason(answer));
  return answer;
}

async function reason(answer: Response): Promise<string> {
  try {
    const problem: unknown = await answer.json();
    if (typeof problem === "object" && problem !== null) {
      const { title, detail } = problem as { title?: unknown; detail?: unknown };
      if (typeof detail === "string" && detail) return detail;
      if (typeof title === "string" && title) return title;
    }
  } catch {
    // Not a problem document: the status has to do.
  }
  return `the service answered ${answer.status} ${answer.statusText}`.trim();
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const answer = await ask(address(path, query), { Accept: "application/json" }, signal);
  return (await answer.json()) as T;
}
