/** The paths of the API below the place where it is mounted. */

export const API_PATH = "/api/v1";

export const RUNS_PATH = `${API_PATH}/runs`;

export function runPath(runId: string): string {
  return `${RUNS_PATH}/${encodeURIComponent(runId)}`;
}
