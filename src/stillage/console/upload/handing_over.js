// The files that this browser's tabs send, known to all of them: when the tab that sends one is closed, another goes on.
//
// A File is a reference. To pass it on copies none of its bytes, and it outlives the page in which it was chosen.

/** @typedef {{ id: string, file: File | null } | { isAsking: true }} Message */

const NAME = "stillage.files";

/** What this tab sends, by the id of the image. @type {Map<string, File>} */
const ours = new Map();
/** What others send. @type {Map<string, File>} */
const theirs = new Map();
const channel = new BroadcastChannel(NAME);
const listening = { heard: () => {} };

channel.onmessage = (/** @type {MessageEvent<Message>} */ { data }) => {
  if ("isAsking" in data) for (const [id, file] of ours) tell({ id, file });
  else if (!data.file) theirs.delete(data.id);
  else {
    theirs.set(data.id, data.file);
    listening.heard();
  }
};
tell({ isAsking: true });

/** @param {Message} message */
function tell(message) {
  channel.postMessage(message);
}

/** This tab sends `file` and holds the lock of its image. @param {string} id @param {File} file */
export function offer(id, file) {
  ours.set(id, file);
  theirs.delete(id);
  tell({ id, file });
}

/** Nobody needs to go on with it. @param {string} id */
export function withdraw(id) {
  theirs.delete(id);
  if (ours.delete(id)) tell({ id, file: null });
}

/** The file of an upload that another tab began. @param {string} id @returns {File | null} */
export function offered(id) {
  return theirs.get(id) ?? null;
}

/** Call `heard` when another tab begins to send. @param {() => void} heard */
export function onOffer(heard) {
  listening.heard = heard;
}

/** The user signed out. */
export function forgetOffers() {
  for (const id of [...ours.keys()]) withdraw(id);
  theirs.clear();
}
