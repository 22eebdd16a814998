/** The log of a tunnel: lines of text or of JSON on standard error. No secret is ever handed to it. */

/** The least severity that is written. */
export type LogLevel = "silent" | "error" | "verbose";
/** The form of a line: words, or a JSON object. */
export type LogFormat = "text" | "json";

/** Members of a line beside its message. */
export type LogFields = Readonly<Record<string, string | number>>;

/** Takes the messages of a tunnel. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  verbose(message: string, fields?: LogFields): void;
}

/**
 * Opens a log.
 *
 * @param name The interface, which each line names.
 * @param print Takes a line. Default: prints it on standard error.
 */
export function openLog(
  name: string,
  level: LogLevel,
  format: LogFormat,
  print: (line: string) => void = console.error,
): Log {
  const write = (severity: "error" | "verbose", message: string, fields: LogFields): void => {
    const time = new Date().toISOString();
    if (format === "json") {
      print(JSON.stringify({ time, level: severity, interface: name, message, ...fields }));
      return;
    }
    const more = Object.entries(fields).map(([field, value]) => ` ${field}=${value}`);
    print(`${time} ${name} ${message}${more.join("")}`);
  };
  return {
    error: (message, fields = {}) => {
      if (level !== "silent") write("error", message, fields);
    },
    verbose: (message, fields = {}) => {
      if (level === "verbose") write("verbose", message, fields);
    },
  };
}
