/** A newer version of the page that the service worker has fetched. */
export class UpdateState {
  ready = $state(false);
  #apply: () => void = () => undefined;

  /** Tells the user; `apply` switches to the new version by reloading the page. */
  offer(apply: () => void): void {
    this.#apply = apply;
    this.ready = true;
  }

  apply(): void {
    this.#apply();
  }
}
