/** What the player does, told by keyboard and mouse. */
export interface Intent {
  /** -1, 0 or 1 each. */
  readonly dx: number;
  readonly dy: number;
  readonly shooting: boolean;
  /** Where the mouse is, in CSS pixels. */
  readonly mouse: { x: number; y: number };
}

/** Follows keyboard and mouse. While someone types into a field, the keys are the field's. */
export class Controls implements Intent {
  readonly mouse = { x: innerWidth / 2 + 100, y: innerHeight / 2 };
  private readonly held = new Set<string>();
  private pressed = false;

  constructor(scene: HTMLElement) {
    addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLInputElement) return;
      // Space and arrows would scroll the page or press a button.
      if (event.code === "Space" || event.code.startsWith("Arrow")) event.preventDefault();
      this.held.add(event.code);
    });
    addEventListener("keyup", (event) => this.held.delete(event.code));
    addEventListener("blur", () => this.release());
    addEventListener("focusin", () => this.release());
    addEventListener("pointermove", ({ clientX, clientY }) => this.point(clientX, clientY));
    scene.addEventListener("pointerdown", ({ clientX, clientY }) => {
      this.point(clientX, clientY);
      this.pressed = true;
    });
    addEventListener("pointerup", () => {
      this.pressed = false;
    });
  }

  get dx(): number {
    return this.any("ArrowRight", "KeyD") - this.any("ArrowLeft", "KeyA");
  }

  get dy(): number {
    return this.any("ArrowDown", "KeyS") - this.any("ArrowUp", "KeyW");
  }

  get shooting(): boolean {
    return this.pressed || this.held.has("Space");
  }

  private any(...codes: string[]): number {
    return codes.some((code) => this.held.has(code)) ? 1 : 0;
  }

  private point(x: number, y: number): void {
    Object.assign(this.mouse, { x, y });
  }

  private release(): void {
    this.held.clear();
    this.pressed = false;
  }
}
