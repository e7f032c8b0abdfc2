no fix has edits
