/** The form of texts in documents. */

/** A regular expression for the whole of a text, how many characters it may have, and in words. */
export class TextPattern {
  private readonly regex: RegExp;

  constructor(
    pattern: string,
    readonly maxChars: number,
    readonly allowed: string,
  ) {
    this.regex = new RegExp(`^(?:${pattern})$`, "u");
  }

  /** Returns the groups, or null where the text is not of this form. */
  match(text: string): RegExpExecArray | null {
    return text.length <= this.maxChars ? this.regex.exec(text) : null;
  }
}
