"""Values to plain JSON, once for the API, the commands and the pages; instants and enumerations stay as they are."""
