/** What kind of thing went wrong, for programs. */
export type ErrorCode =
  /** An argument of yours; the message says which and what is right. */
  | 'invalid_input'
  /** This device, browser or model architecture cannot do it; the message says which part. */
  | 'unsupported'
  /** The model's files are broken or do not belong together. */
  | 'model_invalid'
  /** A file of the model, or the model, is not where it was looked for. */
  | 'not_found'
  /** A download failed or was cut off, and trying again did not help. */
  | 'network'
  /** The browser has no room for what was to be stored. */
  | 'quota'
  /** A stored index is open already, in this tab or another. */
  | 'locked'
  /** The files of a stored index, or what was exported of one, are damaged; the message says which and where. */
  | 'index_invalid'
  /** The GPU went away and the CPU could not take over. */
  | 'device_lost'
  /** The device or the page ran out of memory. */
  | 'out_of_memory'
  /** You aborted it; `cause` is the signal's reason. */
  | 'aborted'
  /** The model or index was disposed of before the call finished. */
  | 'disposed'
  /** A fault of Heatseek's; please report it. */
  | 'internal';

/** Everything Heatseek throws or rejects with. */
export class HeatseekError extends Error {
  override readonly name = 'HeatseekError';

  /** What kind of thing went wrong. */
  readonly code: ErrorCode;

  /**
   * @param code what kind of thing went wrong
   * @param message one sentence: what, where, and what to do
   * @param options `cause`: the error or abort reason underneath
   */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** A HeatseekError as plain data: what crosses the worker boundary. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  /** The message of what was underneath, if anything was. */
  readonly cause?: string;
}

/** `error` as plain data. Anything that is not a HeatseekError, or the engine's own, is an internal one. */
export function errorToData(error: unknown): ErrorData {
  if (error instanceof HeatseekError) {
    const cause = error.cause;
    return {
      code: error.code,
      message: error.message,
      ...(cause === undefined ? {} : { cause: cause instanceof Error ? cause.message : String(cause) }),
    };
  }
  if (isErrorData(error)) return { code: error.code, message: error.message };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: 'internal', message: `internal error: ${message}; please report this` };
}

/** The error that `data` was made from. */
export function errorFromData(data: ErrorData): HeatseekError {
  return new HeatseekError(
    data.code,
    data.message,
    data.cause === undefined ? undefined : { cause: new Error(data.cause) },
  );
}

const CODES: readonly string[] = [
  'invalid_input', 'unsupported', 'model_invalid', 'not_found', 'network', 'quota', 'locked', 'index_invalid',
  'device_lost', 'out_of_memory', 'aborted', 'disposed', 'internal',
] satisfies ErrorCode[];

function isErrorData(value: unknown): value is ErrorData {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message } = value as { code?: unknown; message?: unknown };
  return typeof code === 'string' && CODES.includes(code) && typeof message === 'string';
}
