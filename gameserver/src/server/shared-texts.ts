/** Of more, those that come later are not shared with those before. */
const MAX_TEXTS = 1_000;

/** Texts of worlds, of which thousands are equal: each is kept once, and not once for each world that names it. */
export class SharedTexts {
  private readonly texts = new Map<string, string>();

  /** The same text. */
  share(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    if (this.texts.size >= MAX_TEXTS) this.texts.clear();
    this.texts.set(text, text);
    return text;
  }
}
