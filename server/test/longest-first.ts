import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest. One of them alone at the end would leave the other workers idle. */
const LONGEST = [
  'test/start.test.ts',
  'test/embedded/embedded.test.ts',
  'test/gateway/late.test.ts',
  'test/gateway/hostile.test.ts',
  'test/gateway/streaming.test.ts',
  'test/nodes/killed.test.ts',
  'test/nodes/connections.test.ts',
  'test/nodes/gateway-soak.test.ts',
  'test/differential/differential.test.ts',
];

/** Runs the projects one after the other, and in each of them the longest files first. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isShort = ({ moduleId }: TestSpecification) =>
      !LONGEST.some((name) => moduleId.endsWith(name));
    const sorted = await super.sort(files);
    return sorted.toSorted(
      (a, b) =>
        a.project.name.localeCompare(b.project.name) || Number(isShort(a)) - Number(isShort(b)),
    );
  }
}
