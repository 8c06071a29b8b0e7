/** A command of the command line. Results go to standard output as JSON, everything else to standard error. */
export interface Command {
  summary: string;
  /** Its arguments, in one line. */
  usage: string;
  run(args: readonly string[]): Promise<void>;
}
