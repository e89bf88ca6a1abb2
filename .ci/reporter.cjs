// Mocha's spec reporter to the screen and its JSON reporter to a file (--reporter-option output=FILE) at once.
const { reporters } = require('mocha')

module.exports = class SpecAndJson extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    new reporters.JSON(runner, options)
  }
}
