import type {
  CellsPipeline,
  ProposedStep,
  StepCell,
  StepChoice
} from './types';

/** The cells that belong to a step; those that run in it again belong to another one. */
export function ownCells(step: ProposedStep): StepCell[] {
  return step.cells.filter(cell => !cell.why);
}

/** The steps as a person may change them. */
export function choices(proposal: CellsPipeline): StepChoice[] {
  return proposal.steps.map(step => ({
    name: step.name,
    cells: ownCells(step).map(cell => cell.id)
  }));
}

export function renamed(
  steps: readonly StepChoice[],
  index: number,
  name: string
): StepChoice[] {
  return steps.map((step, at) => (at === index ? { ...step, name } : step));
}

/** Join a step with the one below it; it keeps its name. */
export function merged(
  steps: readonly StepChoice[],
  index: number
): StepChoice[] {
  const [one, other] = [steps[index], steps[index + 1]];
  if (!one || !other) {
    return [...steps];
  }
  const whole = { name: one.name, cells: [...one.cells, ...other.cells] };
  return [...steps.slice(0, index), whole, ...steps.slice(index + 2)];
}

/** Begin a new step with a cell of a step, not its first. */
export function split(
  steps: readonly StepChoice[],
  index: number,
  cell: string
): StepChoice[] {
  const step = steps[index];
  const at = step?.cells.indexOf(cell) ?? -1;
  if (!step || at < 1) {
    return [...steps];
  }
  const later = {
    name: freeName(steps, step.name),
    cells: step.cells.slice(at)
  };
  const earlier = { name: step.name, cells: step.cells.slice(0, at) };
  return [...steps.slice(0, index), earlier, later, ...steps.slice(index + 1)];
}

/**
 * Move the boundary between a step and the one below by one cell: `up` gives its
 * last cell to the one below, `down` takes that one's first.
 */
export function moved(
  steps: readonly StepChoice[],
  index: number,
  way: 'up' | 'down'
): StepChoice[] {
  const [one, other] = [steps[index], steps[index + 1]];
  if (!one || !other) {
    return [...steps];
  }
  const cells = [...one.cells, ...other.cells];
  const at = one.cells.length + (way === 'up' ? -1 : 1);
  const parts = [
    { name: one.name, cells: cells.slice(0, at) },
    { name: other.name, cells: cells.slice(at) }
  ].filter(step => step.cells.length);
  return [...steps.slice(0, index), ...parts, ...steps.slice(index + 2)];
}

/** A name that no step has: the base, with the next number. */
function freeName(steps: readonly StepChoice[], name: string): string {
  const taken = new Set(steps.map(step => step.name));
  const base = name.replace(/-\d+$/, '');
  let number = 2;
  while (taken.has(`${base}-${number}`)) {
    number += 1;
  }
  return `${base}-${number}`;
}
