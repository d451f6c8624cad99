// Session: what the parts of the page share: the server's state, and the choices that are being saved.

const { rows, columns } = document.body.dataset;

export const session = {
  state: null, // the server's last answer about itself
  ended: false,
  saving: Promise.resolve(), // saves the choices one after the other, in the order of the clicks
  saves: 0, // choices saved by this page
  looks: null, // how often the images had been looked at when the page was loaded
};

export const grid = { rows: Number(rows), columns: Number(columns) }; // of patches

/** Return the address of an image's heat map, which changes with every export. */
export const heatPath = (sha256) => `images/${sha256}/heat.jpg?export=${session.state?.exports ?? 0}`;
