/** The log of a tunnel: lines of text or of JSON on standard error. No secret is ever handed to it. */

export type LogLevel = "silent" | "error" | "verbose";
export type LogFormat = "text" | "json";

/** Members of a line beside its message. */
export type LogFields = Readonly<Record<string, string | number>>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  verbose(message: string, fields?: LogFields): void;
}

/** @param name The interface, which each line names. */
export function openLog(name: string, level: LogLevel, format: LogFormat): Log {
  const write = (severity: "error" | "verbose", message: string, fields: LogFields): void => {
    const time = new Date().toISOString();
    if (format === "json") {
      console.error(JSON.stringify({ time, level: severity, interface: name, message, ...fields }));
      return;
    }
    const more = Object.entries(fields).map(([field, value]) => ` ${field}=${value}`);
    console.error(`${time} ${name} ${message}${more.join("")}`);
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
