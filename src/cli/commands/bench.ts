export const command={summary:'',usage:'',async run(){}};
