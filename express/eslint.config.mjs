import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "scripts/", "test/", "*.mjs"] },
  ...tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    rules: {
      complexity: ["error", 12],
      "max-lines": ["error", 300],
      // What is not a text is put into messages on purpose.
      "@typescript-eslint/restrict-template-expressions": "off",
      // A class of one property each would be more.
      "@typescript-eslint/no-confusing-void-expression": "off",
      // Methods of an answer are kept to be called on it; phases change in calls that are not seen.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-unnecessary-condition": "off",
      // The types of `jose` are for ES modules, and its name is an error to the linter alone.
      "@typescript-eslint/no-unsafe-assignment": "off",
    },
  },
);
