/** Spatial cells: which topic a position belongs to, and which topics a viewer sees. */

export interface Space {
  kind: "grid2d" | "grid3d";
  /** The component that holds the position, in fields x, y (and z). */
  component: string;
  /** Extent in world units, from 0; positions outside belong to the nearest cell. */
  size: readonly number[];
  /** Edge of a cell in world units. */
  cell: number;
  /** Cells seen in every direction around the own one: 1 is 3 × 3. */
  view: number;
  /** How far a viewer must leave its cell before its view moves, in world units. */
  margin: number;
}

/** Most cells one viewer may see: slots are counted in one byte. */
const MAX_VIEW_CELLS = 200;
/** Most cells of a space. */
const MAX_CELLS = 2 ** 32;

interface GridOptions {
  component: string;
  cell: number;
  /** Default 1. */
  view?: number;
  /** Default a tenth of a cell. */
  margin?: number;
}

export function grid2d(options: GridOptions & { size: readonly [number, number] }): Space {
  return grid("grid2d", options);
}

export function grid3d(options: GridOptions & { size: readonly [number, number, number] }): Space {
  return grid("grid3d", options);
}

function grid(kind: Space["kind"], options: GridOptions & { size: readonly number[] }): Space {
  const { component, size, cell, view = 1, margin = options.cell / 10 } = options;
  const space = { kind, component, size: [...size], cell, view, margin };
  const problem = spaceProblem(space);
  if (problem !== undefined) throw new RangeError(`space: ${problem}`);
  return space;
}

export function spaceProblem(space: Space): string | undefined {
  const { kind, size, cell, view, margin } = space;
  if (kind !== "grid2d" && kind !== "grid3d") return `kind must be grid2d or grid3d, found ${kind}`;
  const axes = kind === "grid2d" ? 2 : 3;
  if (size.length !== axes) return `${kind} needs a size of ${axes} numbers`;
  if (!size.every((n) => Number.isFinite(n) && n > 0)) return "size must be above 0";
  if (!Number.isFinite(cell) || cell <= 0) return "cell must be above 0";
  if (!Number.isInteger(view) || view < 0) return "view must be 0 or a positive integer";
  if (!Number.isFinite(margin) || margin < 0 || margin > cell) return "margin must be 0 to cell";
  if ((2 * view + 1) ** axes > MAX_VIEW_CELLS)
    return `view covers more than ${MAX_VIEW_CELLS} cells`;
  if (size.reduce((n, extent) => n * Math.ceil(extent / cell), 1) > MAX_CELLS)
    return "has more than 2^32 cells";
  return undefined;
}

/** A position; z is 0 in two dimensions. */
export interface Position {
  x: number;
  y: number;
  z?: number;
}

/** Cells of a space as topic numbers (docs/protocol.md, section 7). */
export class CellGrid {
  readonly space: Space;
  readonly columns: number;
  readonly rows: number;
  readonly layers: number;
  private readonly firstTopic: number;

  /** `firstTopic` is the topic of cell (0, 0): the number of channels. */
  constructor(space: Space, firstTopic: number) {
    this.space = space;
    this.firstTopic = firstTopic;
    const cells = (axis: number) => Math.ceil((space.size[axis] ?? space.cell) / space.cell);
    this.columns = cells(0);
    this.rows = cells(1);
    this.layers = cells(2);
  }

  topicAt(position: Position): number {
    return this.topic(
      clampCell(position.x, this.space.cell, this.columns),
      clampCell(position.y, this.space.cell, this.rows),
      clampCell(position.z ?? 0, this.space.cell, this.layers),
    );
  }

  topic(column: number, row: number, layer: number): number {
    return this.firstTopic + (layer * this.rows + row) * this.columns + column;
  }

  /** Column, row and layer of a cell's topic. */
  cellOf(topic: number): [column: number, row: number, layer: number] {
    const n = topic - this.firstTopic;
    return [
      n % this.columns,
      Math.floor(n / this.columns) % this.rows,
      Math.floor(n / (this.columns * this.rows)),
    ];
  }

  /** The topic of a cell, or undefined when there is no such cell. */
  topicOfCell(cell: readonly number[]): number | undefined {
    const [column = -1, row = -1, layer = 0] = cell;
    const inside = (n: number, count: number) => Number.isInteger(n) && n >= 0 && n < count;
    return inside(column, this.columns) && inside(row, this.rows) && inside(layer, this.layers)
      ? this.topic(column, row, layer)
      : undefined;
  }

  /** True while the position is inside the cell widened by the margin: its viewer stays there. */
  staysIn(topic: number, position: Position): boolean {
    const [column, row, layer] = this.cellOf(topic);
    return (
      this.staysOn(position.x, column, this.columns) &&
      this.staysOn(position.y, row, this.rows) &&
      this.staysOn(position.z ?? 0, layer, this.layers)
    );
  }

  private staysOn(at: number, cell: number, count: number): boolean {
    const { cell: edge, margin } = this.space;
    return (
      (cell === 0 || at >= cell * edge - margin) &&
      (cell === count - 1 || at < (cell + 1) * edge + margin)
    );
  }

  /** The topics seen from a cell, itself included, clipped to the space. */
  viewFrom(topic: number): number[] {
    const [column, row, layer] = this.cellOf(topic);
    const { view } = this.space;
    const topics: number[] = [];
    for (let z = Math.max(0, layer - view); z <= Math.min(this.layers - 1, layer + view); z++)
      for (let y = Math.max(0, row - view); y <= Math.min(this.rows - 1, row + view); y++)
        for (
          let x = Math.max(0, column - view);
          x <= Math.min(this.columns - 1, column + view);
          x++
        )
          topics.push(this.topic(x, y, z));
    return topics;
  }
}

function clampCell(at: number, edge: number, count: number): number {
  const cell = Math.floor(at / edge);
  // NaN goes to cell 0: comparisons with it are false.
  return cell > 0 ? Math.min(cell, count - 1) : 0;
}
