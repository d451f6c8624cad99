"""Language: texts of pages and reports in English and German."""
