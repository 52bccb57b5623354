/**
 * A setting that cannot be logged: string conversion, JSON, template literals and the inspector all show
 * `[secret]`. The value leaves only through `reveal()`, so a search for that word finds every use.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}
