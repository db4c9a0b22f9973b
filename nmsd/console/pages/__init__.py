"""One page of the console a file: a blueprint each, all listed in console.web."""
